"""What the checkpoint cases have in common: a program that is started, checkpointed, ended and restored."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import engine
from engine import Failure

SEED = 20_261_127


class Bench:
    """One case's place, the program in it and what was said."""

    def __init__(self, retake, place):
        self.retake = retake
        self.place = place
        self.output = place.root / "output"
        self.image = place.root / "image"
        self.process = None
        self.new_pids = False

    def start(self, *command, stdin=subprocess.DEVNULL, stdout=None, before=None, keep_work=False, start_new_session=True,
              **more):
        """`before` makes what the program finds."""
        if not keep_work:
            self.place.fresh_work()
        if before:
            before(self.place.work)
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(command, cwd=self.place.work, env=self.place.environment(), stdin=stdin,
                                            stdout=stdout or out, stderr=subprocess.STDOUT,
                                            start_new_session=start_new_session, **more)
        return self.process.pid

    def python(self, program, before=None, **more):
        path = self.place.bin / "program.py"
        path.write_text(program)
        return self.start("/usr/bin/python3", "-u", str(path), before=before, **more)

    def text(self):
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def lines(self):
        return self.text().splitlines()

    def await_line(self, wanted, seconds=60):
        """Until a line that begins so has been said, to its end: python writes that by a call of its own."""
        def is_said():
            return any(line.startswith(wanted) and line.endswith("\n") for line in self.text().splitlines(keepends=True))
        wait_until(f"the line {wanted!r}", is_said, seconds, lambda: self.text()[-2000:])

    def run(self, *arguments, status=0, seconds=120, user=()):
        done = subprocess.run([*user, self.retake, *arguments], cwd=self.place.work, env=self.place.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds * engine.SLOWNESS,
                              check=False)
        if done.returncode != status:
            raise Failure(f"retake {' '.join(arguments)}: exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}"
                          f"\nthe program said:\n{self.text()[-2000:]}")
        return done

    def checkpoint(self, *options, leave="killed", **more):
        done = self.run("checkpoint", str(self.process.pid), "-o", str(self.image), "--leave", leave, "--no-fsync",
                        *options, **more)
        if leave == "killed":
            ended = self.process.wait(timeout=20)
            if ended != -signal.SIGKILL:
                raise Failure(f"the program ended with {ended}, not SIGKILL")
            # Its orphans are ours.
            reaper = engine.Reaper()
            wait_until("the end of all of its processes", lambda: not reaper.poll())
        return done

    def restore(self, *options, status=0, **more):
        if self.new_pids:
            options = (*options, "--pid", "new")
        return self.run("restore", str(self.image), *options, status=status, **more)

    def go(self):
        (self.place.work / "go").touch()

    def around(self, *options, status=0, restore=()):
        """Checkpoint, kill, restore to the end."""
        self.checkpoint(*options)
        self.go()
        self.restore(*restore, status=status)


def functions_of_strings(count):
    """C++ that keeps a compiler busy, on a slow machine for not much longer than elsewhere."""
    if engine.SLOWNESS > 1:
        return "#include <string>\n" + "".join(
            f'bool f{n}(const std::string& s) {{ return s.find("{n}") == {n}; }}\n' for n in range(engine.times(count, 3)))
    return "#include <map>\n#include <string>\n#include <regex>\n" + "".join(
        f'bool f{n}(const std::string& s) {{ return std::regex_match(s, std::regex("{n}.*")); }}\n' for n in range(count))


def wait_until(what, condition, seconds=60, show=lambda: ""):
    end = time.monotonic() + seconds * engine.SLOWNESS
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise Failure(f"{what}: not within {seconds} s\n{show()}")


def expect(found, wanted, what):
    if found != wanted:
        raise Failure(f"{what}: expected {wanted!r}, found {found!r}")


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def undisturbed_and_restored(bench, command, moment, status=0):
    """The same program twice: left alone, and checkpointed once it has said `moment` lines."""
    bench.start(*command)
    expect(bench.process.wait(timeout=120 * engine.SLOWNESS), status, "its undisturbed exit status")
    wanted = bench.lines()
    bench.start(*command)
    wait_until(f"{moment} lines", lambda: len(bench.lines()) >= moment, show=bench.text)
    bench.checkpoint()
    said = len(bench.lines())
    if said >= len(wanted):
        raise Failure(f"the program had ended before the checkpoint: {bench.text()}")
    bench.restore(status=status)
    expect(bench.lines(), wanted, "the output")


# How programs in python begin that have to wait for the restore.
PRELUDE = """
import ctypes, fcntl, os, select, signal, socket, struct, sys, time, mmap
libc = ctypes.CDLL(None, use_errno=True)
def ready():
    print("ready")
    while not os.path.exists("go"): time.sleep(0.01)
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_root():
    return os.geteuid() == 0


def need(*programs):
    for program in programs:
        if shutil.which(program) is None:
            raise Failure(f"{program} isn't installed")
