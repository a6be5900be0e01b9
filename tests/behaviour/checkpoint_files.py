"""Checkpoints that hold their files themselves (--self-contained): these change or go before the restore."""

import shutil
import subprocess

from checkpoint_bench import expect
from engine import Failure

# Reads one file, writes another, appends to a third; has a program and a library of its own. Its own pages of the data
# segments are changed ones, its code and much of its data are the files'.
PROGRAM = """
exec 3< data 4>> log 5<> scratch
read -r first <&3
echo "begun $first" >&4
echo old-scratch >&5
echo ready
until [ -e go ]; do read -t 0.01 <> <(:); done
while read -r line <&3; do echo "read $line"; done
echo ended >&4
echo more >&5
# What of the program hasn't been used until now comes from its file.
printf -v text '%(%Y)T %q' 0 'a b'
compgen -b | head -3 | sort
declare -A table=([x]=1 [y]=2); echo "$text ${!table[@]}" | tr ' ' '\\n' | sort | tr '\\n' ' '
echo $(( 2 ** 40 ))
"""


def make(bench):
    def before(work):
        (work / "data").write_text("first\n" + "".join(f"line {n}\n" for n in range(3000)))
        (work / "log").write_text("before\n")
        (work / "scratch").write_text("s" * 30_000)
        (work / "library").mkdir()
        shutil.copy("/bin/bash", work / "program")
        listed = subprocess.run(["ldd", "/bin/bash"], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            if "=>" in line and "/" in line:
                shutil.copy(line.split("=>")[1].split()[0], work / "library")
    return before


def start(bench):
    bench.place.fresh_work()
    make(bench)(bench.place.work)
    script = bench.place.bin / "program.sh"
    script.write_text(PROGRAM)
    bench.start("/usr/bin/env", f"LD_LIBRARY_PATH={bench.place.work / 'library'}", str(bench.place.work / "program"),
                "--norc", str(script), keep_work=True)
    bench.await_line("ready")


def undisturbed(bench):
    start(bench)
    bench.go()
    status = bench.process.wait(timeout=60)
    work = bench.place.work
    return status, bench.lines(), (work / "log").read_text(), (work / "scratch").read_text()


def self_contained(bench):
    status, lines, log, scratch = undisturbed(bench)
    expect(status, 0, "the undisturbed run's status")
    if len(lines) < 3000:
        raise Failure(f"the undisturbed run said {lines[-5:]}")
    work = bench.place.work

    def restored(what):
        bench.go()
        bench.restore()
        expect(bench.lines(), lines, f"what it said, {what}")
        expect((work / "log").read_text(), log, f"the log, {what}")
        expect((work / "scratch").read_text(), scratch, f"the file that it changes, {what}")

    start(bench)
    bench.checkpoint("--self-contained", "--files", "rewind")
    output = bench.output.read_bytes()
    # Once more from the same image, with all of it as it was left, then changed, then gone.
    restored("the first time")
    for what in ("changed", "gone"):
        bench.output.write_bytes(output)
        if what == "changed":
            (work / "program").unlink()
            (work / "program").write_bytes(b"\x7fELF, rebuilt")
            (work / "data").write_text("another's\n")
            (work / "scratch").write_text("short\n")
            with open(work / "log", "a") as file:
                file.write("and more\n")
            for library in (work / "library").iterdir():
                library.unlink()
        else:
            for name in ("program", "data", "log", "scratch"):
                (work / name).unlink()
            shutil.rmtree(work / "library")
        restored(what)
        if what == "changed":
            expect((work / "data").read_text(), "another's\n", "the file that it only reads")
    # A stack with the names of functions, though no file of them is there any more.
    shown = bench.run("inspect", str(bench.image)).stdout
    if "read" not in shown or str(work / "program") not in shown:
        raise Failure(f"inspect shows:\n{shown}")


def self_contained_without_open_files(bench):
    """Without --files rewind only what is mapped is kept."""
    start(bench)
    bench.checkpoint("--self-contained")
    work = bench.place.work
    for library in (work / "library").iterdir():
        library.unlink()
    (work / "program").unlink()
    bench.go()
    with open(work / "log", "a") as file:
        file.write("and more\n")
    said = bench.restore(status=125).stderr
    if f"{work / 'log'} has changed since the checkpoint was taken" not in said:
        raise Failure(f"what has changed isn't named in: {said}")
    (work / "log").write_text("before\nbegun first\n")
    bench.restore()
    expect(bench.lines()[-1].split()[-1], str(2 ** 40), "its last word")
    expect((work / "log").read_text(), "before\nbegun first\nended\n", "the log")
