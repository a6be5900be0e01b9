"""C02: sessions and process groups whose leaders aren't there, and what a terminal sends to them."""

import contextlib
import os
import pathlib
import signal

import engine
from checkpoint_bench import PRELUDE, expect, is_gone, is_root, wait_until
from checkpoint_programs import read_until, with_terminal

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while os.path.exists(f"/proc/{os.getsid(0)}"): time.sleep(0.01)
        was = os.getsid(0), os.getpgrp()
        with open("pid.new", "w") as out: out.write(str(os.getpid()))
        os.rename("pid.new", "pid")
        while not os.path.exists("go"): time.sleep(0.01)
        try: terminal = os.open("/dev/tty", os.O_RDWR)
        except OSError as error: terminal = error.strerror
        print((os.getsid(0), os.getpgrp()) == was, terminal)
    os._exit(0)
"""


def daemon(bench):
    """It doesn't come into the session of whoever restores it, nor get that one's terminal, and outlives that one."""
    bench.python(DAEMON)
    reaper = engine.Reaper()
    wait_until("the daemon", lambda: reaper.poll() and (bench.place.work / "pid").exists())
    pid = int((bench.place.work / "pid").read_text())
    bench.run("checkpoint", str(pid), "-o", str(bench.image), "--leave", "killed", "--no-fsync")
    wait_until("its end", lambda: not reaper.poll())
    bench.go()
    restored, master = with_terminal(bench.retake, "restore", str(bench.image), cwd=bench.place.work,
                                     env=bench.place.environment())
    expect(restored.wait(timeout=60 * engine.SLOWNESS), 0, "its exit status")
    os.close(master)
    expect(bench.lines(), ["True No such device or address"], "what it said")
    bench.output.write_text("")
    bench.run("restore", "--detach", str(bench.image))
    wait_until("the end of all that is left", lambda: not reaper.poll())
    expect(bench.lines(), ["True No such device or address"], "what it said")


INTERRUPTED = """
import os, signal, time
times = []
signal.signal(signal.SIGINT, lambda *_: times.append(time.time()))
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
print("restored")
while not times: time.sleep(0.01)
time.sleep(0.3)
print("interrupted", len(times))
"""


def interrupted(bench):
    """^C in the terminal of the command that restores reaches the program once, whatever group it is in; and if sent, too."""
    program = bench.place.bin / "interrupted.py"
    for group in ("own", "starter's"):
        bench.start("/usr/bin/python3", "-u", str(program), before=lambda _: program.write_text(INTERRUPTED),
                    start_new_session=group == "own")
        bench.await_line("ready")
        bench.checkpoint()
        bench.go()
        said = bench.output.read_bytes()
        for by_terminal in (True, False):
            bench.output.write_bytes(said)
            restored, master = with_terminal(bench.retake, "restore", str(bench.image), cwd=bench.place.work,
                                             env=bench.place.environment())
            bench.await_line("restored")
            if by_terminal:
                os.write(master, b"\x03")
            else:
                restored.send_signal(signal.SIGINT)
            expect(restored.wait(timeout=60 * engine.SLOWNESS), 0, f"the exit status ({group})")
            os.close(master)
            expect(bench.lines(), ["ready", "restored", "interrupted 1"], f"what it said ({group}, {by_terminal})")


def forget_signs_of_life(bench):
    """A directory, that nobody opens: what is open must be there when it is restored."""
    with contextlib.suppress(FileNotFoundError):
        (bench.place.work / "alive").rmdir()


# Not in bash: it forgets a ^C that comes just when the command ends that it waits for.
SECOND_OF_PIPELINE = """
import os, signal, sys, time
def interrupted(*_):
    print("interrupted", flush=True)
    sys.exit(3)
signal.signal(signal.SIGINT, interrupted)
print("ready", flush=True)
while True:
    os.makedirs("alive", exist_ok=True)
    time.sleep(0.02)
"""


def pipeline_in_front(bench):
    """A shell's job whose first command, the leader of its group, has ended: it is in front of the terminal as before."""
    bench.place.fresh_work()
    here = {"cwd": bench.place.work, "env": bench.place.environment({"PS1": "$ "})}
    bench.process, master = with_terminal("/bin/bash", "--norc", "-i", **here)
    (bench.place.work / "second.py").write_text(SECOND_OF_PIPELINE)
    os.write(master, b"(read line) | python3 second.py; echo status $?\n")
    read_until(master, b"ready\r\n")
    children = pathlib.Path(f"/proc/{bench.process.pid}/task/{bench.process.pid}/children")
    first = min(map(int, children.read_text().split()))
    expect(os.getpgid(first), first, "the group of the first command")
    os.write(master, b"a line\n")
    wait_until("the end of the first command", lambda: is_gone(first))
    bench.run("checkpoint", str(bench.process.pid), "-o", str(bench.image), "--leave", "killed", "--no-fsync")
    bench.process.wait()
    engine.kill_descendants()
    os.close(master)
    forget_signs_of_life(bench)
    restored, master = with_terminal(bench.retake, "restore", str(bench.image), **here)
    wait_until("the restored job", (bench.place.work / "alive").exists)
    os.write(master, b"\x03")
    said = read_until(master, b"status 3")
    expect(said.count(b"interrupted"), 1, "how often it was interrupted")
    os.write(master, b"exit 5\n")
    expect(restored.wait(timeout=60 * engine.SLOWNESS), 5, "the exit status")
    os.close(master)


# Processes of which the last is checkpointed: it tells who its parent and leaders are, before and after, and leaves a child.
FAMILY = """
import os, signal, sys, time
shape = sys.argv[1]
signal.signal(signal.SIGHUP, signal.SIG_IGN)
def who(): return os.getppid(), os.getpgrp(), os.getsid(0)
def child():
    if os.fork() == 0: return
    while True: time.sleep(1)
group = 0
if shape == "apart":
    group = os.fork()
    if group == 0:
        os.setpgid(0, 0)
        while True: time.sleep(1)
    while os.getpgid(group) != group: time.sleep(0.01)
if shape in ("apart", "of a script"):
    child()
    if shape == "of a script": os.setpgid(0, 0)
child()
if shape == "apart": os.setpgid(0, group)
if shape == "of a shell": os.setpgid(0, 0)
was = who()
print("ready", os.getpid(), flush=True)
while not os.path.exists("go"): pass
print(who() == was or (was, who()), flush=True)
os.kill(os.getppid(), signal.SIGTERM)
if os.fork() == 0:
    while os.getppid() == was[0] or not os.path.exists("end"): time.sleep(0.01)
    print(who()[1:] == was[1:] or (was, who()), flush=True)
    os._exit(0)
time.sleep(0.1)
os._exit(7)
"""


def elders(bench):
    """Who lives outside of the tree, and is known in it by pid, is stood in for."""
    for shape in ("of a program", "of a shell", "of a script", "apart"):
        bench.place.fresh_work()
        path = bench.place.bin / "family.py"
        path.write_text(FAMILY)
        bench.start("/usr/bin/python3", str(path), shape, keep_work=True)
        bench.await_line("ready")
        pid = bench.lines()[0].split()[1]
        bench.run("checkpoint", pid, "-o", str(bench.image), "--leave", "killed", "--no-fsync")
        engine.kill_descendants()
        bench.process.wait()
        bench.go()
        said = bench.output.read_bytes()
        for detached in (False, True):
            bench.output.write_bytes(said)
            (bench.place.work / "end").unlink(missing_ok=True)
            bench.restore(*(["--detach"] if detached else []), status=0 if detached else 7)
            bench.await_line("True")
            (bench.place.work / "end").touch()
            reaper = engine.Reaper()
            wait_until("the end of all that was restored", lambda: not reaper.poll())
            expect(bench.lines()[1:], ["True", "True"], f"what it said of who it knows ({shape}, detached: {detached})")


JOB_OF_SHELL = """
import os, signal, time
def interrupted(*_):
    print("interrupted", (os.getppid(), os.getpgrp(), os.getsid(0), os.tcgetpgrp(0)) == was, flush=True)
    os._exit(3)
signal.signal(signal.SIGINT, interrupted)
was = os.getppid(), os.getpgrp(), os.getsid(0), os.tcgetpgrp(0)
with open("pid", "w") as file: file.write(str(os.getpid()))
print("ready", flush=True)
while True:
    os.makedirs("alive", exist_ok=True)
    time.sleep(0.02)
"""


def job_of_shell(bench):
    """One job of an interactive shell, in front of its terminal, without the shell."""
    bench.place.fresh_work()
    (bench.place.work / "job.py").write_text(JOB_OF_SHELL)
    here = {"cwd": bench.place.work, "env": bench.place.environment({"PS1": "$ "})}
    bench.process, master = with_terminal("/bin/bash", "--norc", "-i", **here)
    os.write(master, b"/usr/bin/python3 job.py\n")
    read_until(master, b"ready\r\n")
    pid = (bench.place.work / "pid").read_text()
    bench.run("checkpoint", pid, "-o", str(bench.image), "--leave", "killed", "--no-fsync")
    bench.process.kill()
    bench.process.wait()
    os.close(master)
    engine.kill_descendants()
    forget_signs_of_life(bench)
    restored, master = with_terminal(bench.retake, "restore", str(bench.image), **here)
    wait_until("the restored job", (bench.place.work / "alive").exists, 60, lambda: os.read(master, 4096))
    os.write(master, b"\x03")
    read_until(master, b"interrupted True")
    expect(restored.wait(timeout=60 * engine.SLOWNESS), 3, "the exit status")
    os.close(master)


TAKEN_AGAIN = PRELUDE + """
pid, clock = os.getpid(), time.monotonic()
child = os.fork()
if child == 0:
    while not os.path.exists("go"):
        time.sleep(0.01)
        own = f"unshare-{os.stat('/proc/self/ns/pid').st_ino}"
        if os.path.exists(own):
            assert libc.unshare(0x10020000) == 0  # CLONE_NEWUSER, CLONE_NEWNS
            os.remove(own)
    os._exit(os.getppid() == pid)
ready()
print(os.getpid() == pid, os.waitpid(child, 0) == (child, 256), 0 <= time.monotonic() - clock < 3600)
"""


def taken_again(bench):
    """What was restored in namespaces of its own is taken again like any other, and goes on from each of its checkpoints."""
    bench.python(TAKEN_AGAIN)
    bench.await_line("ready")
    bench.checkpoint()
    # Who has its pids: a user can't have them here anyway.
    if is_root():
        bench.restore("--detach")
    for _ in range(2):
        pid = bench.restore("--detach").stdout.strip()
        expect(os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid"), True, "that it has pids of its own")
        bench.run("checkpoint", "--check", pid)
        bench.run("checkpoint", pid, "-o", "next", "--leave", "running", "--no-fsync")
        expect(is_gone(pid), False, "that it was left running")
        bench.run("checkpoint", pid, "-o", str(bench.image), "--leave", "killed", "--no-fsync")
        wait_until("its end", lambda: is_gone(pid))
    pid = bench.restore("--detach").stdout.strip()
    own = bench.place.work / f"unshare-{os.stat(f'/proc/{pid}/ns/pid').st_ino}"
    own.touch()
    wait_until("namespaces of its own", lambda: not own.exists())
    said = bench.run("checkpoint", "--check", pid, status=3).stdout
    expect("other namespaces (mnt, user)" in said, True, f"that those are named: {said}")
    engine.kill_descendants()
    bench.go()
    bench.restore()
    expect(bench.lines(), ["ready", "True True True"], "what it said")
