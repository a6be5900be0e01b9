"""Programs that live on a terminal, driven through a pseudo-terminal (or tmux): they behave as
without retake, job control included, and a replay paints the same screen.
"""

import argparse
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import engine
from engine import Failure


class Terminal:
    """A command on a terminal of its own, as its session's leader."""

    def __init__(self, argv, place, cwd):
        self.seen = b""
        self.status = None
        self.argv = argv
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execvpe(argv[0], argv, place.environment({"PS1": "ready> ", "TERM": "xterm"}))
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def pump(self, seconds):
        """Reads what comes within a time. False at the end."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.seen += data
        return data != b""

    def expect(self, pattern, seconds=20):
        """Waits until the pattern has been seen after what was expected before."""
        start = getattr(self, "mark", 0)
        end = time.monotonic() + seconds * engine.SLOWNESS
        while True:
            match = re.compile(pattern, re.DOTALL).search(self.seen, start)
            if match:
                self.mark = match.end()
                return match
            if time.monotonic() > end or not self.pump(0.2):
                if re.compile(pattern, re.DOTALL).search(self.seen, start):
                    continue
                raise Failure(f"{self.argv}: no {pattern!r} in {engine.show(self.seen[start:])!r}")

    def send(self, text):
        os.write(self.fd, text)

    def await_in_front(self, name, seconds=20):
        """Waits until that program is in front, and what is typed is its."""
        end = time.monotonic() + seconds * engine.SLOWNESS
        while not self.is_in_front(name):
            if time.monotonic() > end or not self.pump(0.01):
                raise Failure(f"{self.argv}: {name} doesn't come to the front; showed {engine.show(self.seen[-300:])!r}")

    def is_in_front(self, name):
        with contextlib.suppress(FileNotFoundError):
            leader = pathlib.Path(f"/proc/{os.tcgetpgrp(self.fd)}/comm").read_text().strip()
            return leader == name and termios.tcgetattr(self.fd)[3] & termios.ICANON
        return False

    def finish(self, seconds=20):
        """Reads to the end; the exit status."""
        end = time.monotonic() + seconds * engine.SLOWNESS
        while self.pump(0.1):
            if time.monotonic() > end:
                raise Failure(f"{self.argv}: does not end; showed {engine.show(self.seen[-300:])!r}")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        reaper = engine.Reaper()
        while reaper.poll():
            if time.monotonic() > end:
                raise Failure(f"left: {[engine.describe_process(p) for p in engine.descendants()]}")
            time.sleep(0.005)
        return os.waitstatus_to_exitcode(status)


def drive_shell(terminal):
    terminal.expect(rb"ready> ")
    terminal.send(b"echo $((6*7)) is it\r")
    terminal.expect(rb"[\r\n]42 is it")
    terminal.send(b"tty; stty -a | head -1\r")
    terminal.expect(rb"/dev/pts/\d+.*rows 24; columns 80")
    terminal.send(b"seq 3 | cat; (exit 4); echo status $?\r")
    terminal.expect(rb"1\r?\n2\r?\n3\r?\nstatus 4")
    terminal.send(b"exit 7\r")
    return 7


def drive_job_control(terminal):
    terminal.expect(rb"ready> ")
    terminal.send(b"sleep 100\r")
    terminal.await_in_front("sleep")
    terminal.send(b"\x1a")
    terminal.expect(rb"Stopped")
    terminal.send(b"jobs\r")
    terminal.expect(rb"\[1\]\+ +Stopped +sleep 100")
    terminal.send(b"bg; fg\r")
    terminal.expect(rb"sleep 100 &.*sleep 100")
    terminal.await_in_front("sleep")
    terminal.send(b"\x03")
    terminal.expect(rb"ready> ")
    terminal.send(b"echo status $?\r")
    terminal.expect(rb"[\r\n]status 130")
    terminal.send(b"cat > made\r")
    terminal.await_in_front("cat")
    terminal.send(b"typed line\r\x04")
    terminal.expect(rb"ready> ")
    terminal.send(b"cat made; exit\r")
    terminal.expect(rb"typed line.*typed line")
    return 0


def drive_editor(terminal):
    terminal.expect(rb"All|new|New|\~")
    time.sleep(0.5)
    terminal.send(b"ihello from vim\x1b")
    time.sleep(0.3)
    terminal.send(b":wq\r")
    return 0


SHELL = ["/bin/bash", "--norc", "--noprofile", "-i"]
# The full one: it starts a thread (timer_create with SIGEV_THREAD).
EDITOR = ["vim.basic", "-u", "NONE", "-i", "NONE", "-n", "text"]


def settle(screen):
    """What a program painted, without what the line discipline made of it."""
    return screen.replace(b"\r", b"")


def driven(place, modes, argv, drive, painted_alone):
    """Natively, recorded and replayed. painted_alone: everything on the screen is the program's own
    (it echoes for itself), so that a replay, at which nobody types, shows exactly the same."""
    for mode, prefix in (("native", []), ("record", modes.recorder())):
        modes.fresh()
        terminal = Terminal(modes.prefix + prefix + argv, place, place.work)
        try:
            expected = drive(terminal)
            status = terminal.finish()
        except Failure as failure:
            raise Failure(f"{mode}: {failure}") from None
        if status != expected:
            raise Failure(f"{mode}: status {status}, expected {expected}: {engine.show(terminal.seen[-300:])!r}")
    replay = Terminal(modes.prefix + [modes.retake, "replay", str(modes.trace)], place, place.root)
    status = replay.finish()
    if status != expected:
        raise Failure(f"replay: status {status}, expected {expected}: {engine.show(replay.seen[-400:])!r}")
    if painted_alone:
        # Where the trace went is said on a terminal.
        shown = re.sub(rb"retake: recorded in [^\n]*\n", b"", settle(terminal.seen))
        engine.require_same("screen", shown, settle(replay.seen), ("record", "replay"))
    return terminal, replay


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--case", required=True)
    parser.add_argument("--under", help="a program that runs its arguments confined")
    args = parser.parse_args()

    def body(place):
        retake, prefix = engine.confined(place, args.retake, args.under)
        modes = engine.Modes(retake, place, prefix)
        if args.case == "shell":
            _, replay = driven(place, modes, SHELL, drive_shell, False)
            for text in (b"42 is it", b"status 4"):
                if text not in replay.seen:
                    raise Failure(f"the replay does not show {text!r}: {engine.show(replay.seen)!r}")
        elif args.case == "job_control":
            _, replay = driven(place, modes, SHELL, drive_job_control, False)
            for text in (b"Stopped", b"status 130", b"typed line"):
                if text not in replay.seen:
                    raise Failure(f"the replay does not show {text!r}: {engine.show(replay.seen)!r}")
        elif args.case == "editor":
            driven(place, modes, EDITOR, drive_editor, True)
            if (place.work / "text").read_text() != "hello from vim\n":
                raise Failure("vim did not write its file")
        elif args.case == "editor_in_tmux":
            in_tmux(place, modes)
        else:
            raise Failure(f"no case {args.case}")

    def in_tmux(place, modes):
        if shutil.which("tmux") is None:
            raise Failure("tmux is not installed")
        modes.fresh()
        tmux = ["tmux", "-L", f"retake-{os.getpid()}", "-f", "/dev/null"]
        command = " ".join(["exec", *modes.prefix, *modes.recorder(), *EDITOR])
        env = place.environment({"TMUX_TMPDIR": str(place.tmp), "SHELL": "/bin/sh"})

        def call(*words):
            return subprocess.run(tmux + list(words), env=env, cwd=place.work, check=True, timeout=20,
                                  capture_output=True, text=True).stdout

        def until(what, condition):
            end = time.monotonic() + 20
            while not condition():
                if time.monotonic() > end:
                    screen = ""
                    with contextlib.suppress(subprocess.SubprocessError):
                        screen = call("capture-pane", "-p")
                    raise Failure(f"{what}: never; the screen shows:\n{screen}")
                time.sleep(0.05)

        call("new-session", "-d", "-x", "80", "-y", "24", command)
        try:
            until("vim's screen", lambda: "~" in call("capture-pane", "-p"))
            call("send-keys", "ihello from tmux", "Escape")
            until("typed text", lambda: "hello from tmux" in call("capture-pane", "-p"))
            call("resize-window", "-x", "60", "-y", "20")
            time.sleep(0.3)
            call("send-keys", ":wq", "Enter")
            until("the file", lambda: (place.work / "text").exists())
            until("tmux's end", lambda: subprocess.run(tmux + ["has-session"], env=env, check=False, timeout=20,
                                                       capture_output=True).returncode != 0)
        finally:
            subprocess.run(tmux + ["kill-server"], env=env, check=False, capture_output=True, timeout=20)
        reaper, end = engine.Reaper(), time.monotonic() + 20
        while reaper.poll() and time.monotonic() < end:
            time.sleep(0.01)
        if (place.work / "text").read_text() != "hello from tmux\n":
            raise Failure("vim did not write its file")
        replayed = modes.replay()
        if replayed.describe_status() != "exit 0" or b"hello from tmux" not in replayed.out + replayed.err:
            raise Failure(f"replay: {replayed.describe_status()}: {engine.show(replayed.err)}")

    engine.main_of_case(f"terminal_{args.case}", body)


if __name__ == "__main__":
    main()
