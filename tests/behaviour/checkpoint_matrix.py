"""The matrix: small programs with one piece of state each, and what becomes of it.

Each is checkpointed and left running, and its checkpoint restored when it has ended. A piece is *kept* where the original
and the restored one show what there was before; *named* where the checkpoint was refused with a sentence about it; all else is a
failure. What was found is compared with docs/checkpoint-matrix.md, which `scripts/checkpoint-matrix` writes.
"""

import importlib.util
import pathlib
import re
import socket
import subprocess
import sys

import engine
from checkpoint_bench import is_root, wait_until
from engine import Failure

PROGRAMS = pathlib.Path(__file__).parent / "matrix"
# Read now: an ordinary user may not be able to.
SOURCES = {path.name: path.read_text() for path in PROGRAMS.glob("*.py")}
GROUPS = sorted(name.removesuffix(".py") for name in SOURCES if name != "program.py")
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "checkpoint-matrix.md"
PAGE_TEXT = PAGE.read_text() if PAGE.exists() else ""
UNAVAILABLE = 77


def pieces(group):
    specification = importlib.util.spec_from_file_location(group, PROGRAMS / f"{group}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.__doc__.strip(), [name for name, _, _ in module.PIECES]


# What is another thing in a restored one, by design or for now, and is said in the README too.
CHANGED = {
    "a session's keyring": "the keyring is that of the command that restores",
}

PIECES = {group: pieces(group)[1] for group in GROUPS}
TITLES = {group: pieces(group)[0] for group in GROUPS}


def sentence(said):
    """What a list of losses says, without what differs from run to run."""
    losses = []
    for line in said.splitlines():
        found = re.match(r"pid \d+(?:, fd \d+)? \((.*?)\): (.*)", line)
        if found:
            numbered = r"(pid |process |inode |descriptor |group |session |nsenter -t |/proc/|/retake-)\d+"
            what = re.sub(numbered, r"\1N", f"{found[1]}: {found[2]}")
            what = re.sub(r"0x[0-9a-f]+|\d{4,}", "N", what)
            losses.append(what)
    return "; ".join(dict.fromkeys(losses))


def documented():
    """What the page says, by piece, of such a user as this is."""
    rows = {}
    for line in PAGE_TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3:
            rows[cells[0]] = cells[1 if is_root() else 2].partition(":")[0]
    return rows


def without_places(words, place):
    return words.replace(str(place.root / "work") + "/", "").replace(str(place.root) + "/", "")


def examine(bench, group, piece, port):
    """What becomes of a piece: (verdict, words)."""
    place = bench.place
    programs = place.root / "matrix"
    if not programs.exists():
        programs.mkdir()
        for name, source in SOURCES.items():
            (programs / name).write_text(source)
    bench.image.unlink(missing_ok=True)
    bench.start("/usr/bin/python3", "-B", "-E", "-S", str(programs / "program.py"), group, piece, str(port))
    wait_until("its setting up", lambda: bench.lines() or bench.process.poll() is not None, show=bench.text)
    wait_until("its setting up", lambda: any(line == "ready" for line in bench.lines()) or bench.process.poll() is not None,
               show=bench.text)
    if bench.process.poll() is not None:
        if bench.process.returncode == UNAVAILABLE:
            return "unavailable", bench.lines()[-1].removeprefix("unavailable: ")
        return "failed", f"it ended with {bench.process.returncode}: {bench.text()}"
    status, said = retake(bench, "checkpoint", str(bench.process.pid), "-o", str(bench.image), "--no-fsync")
    if status == 125:
        words = without_places(said.splitlines()[-1], place).removeprefix("retake: failed: ")
        return "refused", re.sub(r"pid \d+", "pid N", words)
    if status not in (0, 3):
        return "failed", f"checkpoint: exit {status}: {said}"
    try:
        bench.go()
        before, after = outcome(bench)
        if before != after:
            return "disturbed", f"{before} became {after} in the original"
        if status == 3:
            return "named", sentence(without_places(said, place))
        engine.kill_descendants()
        reaper = engine.Reaper()
        wait_until("the end of all of its processes", lambda: not reaper.poll())
        (place.work / "result").unlink()
        status, said = retake(bench, "restore", str(bench.image), *(("--pid", "new") if bench.new_pids else ()))
        if status != 0:
            return "failed", f"restore: exit {status}: {said}{bench.text()}"
        before, after = (place.work / "result").read_text().splitlines()
        if before == after:
            return "kept", ""
        return ("changed", CHANGED[piece]) if piece in CHANGED else ("lost", f"{before} became {after}")
    finally:
        engine.kill_descendants()


def retake(bench, *arguments):
    """Its exit status and what it said."""
    try:
        done = subprocess.run([bench.retake, *arguments], cwd=bench.place.work, env=bench.place.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20 * engine.SLOWNESS, check=False)
    except subprocess.TimeoutExpired as late:
        return "none", f"it didn't end: {late.stderr}"
    return done.returncode, done.stderr


def outcome(bench):
    if bench.process.wait(timeout=60 * engine.SLOWNESS) != 0:
        return "", f"its end with {bench.process.returncode}: {bench.text()}"
    return (bench.place.work / "result").read_text().splitlines()


def results(bench, group):
    with socket.create_server(("127.0.0.1", 0)) as server:
        for piece in PIECES[group]:
            yield piece, *examine(bench, group, piece, server.getsockname()[1])


def matrix(group):
    def case(bench):
        wrong = []
        written = documented()
        for piece, verdict, words in results(bench, group):
            print(f"{piece}\t{verdict}\t{words}", flush=True)
            if verdict not in ("kept", "named", "refused", "changed", "unavailable"):
                wrong.append(f"{piece}: {verdict}: {words}")
            elif verdict not in ("unavailable", written.get(piece)) and written.get(piece) != "unavailable":
                wrong.append(f"{piece}: {verdict} {words}, but {PAGE.name} says {written.get(piece)} (write it with scripts/checkpoint-matrix)")
        if wrong:
            raise Failure("\n".join(wrong))
    return case
