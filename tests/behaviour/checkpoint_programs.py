"""C01 and C02: programs that nobody here wrote, and trees of processes."""

import contextlib
import fcntl
import os
import pathlib
import random
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import termios
import time

import engine
from checkpoint_bench import SEED, expect, free_port, functions_of_strings, is_gone, need, undisturbed_and_restored, wait_until
from engine import Failure


# --- C01: programs ---

COUNTER = """
import sys, time
for i in range(40):
    print(i)
    time.sleep(0.02)
sys.exit(7)
"""


def python_counts(bench):
    path = bench.place.bin / "counter.py"
    path.write_text(COUNTER)
    undisturbed_and_restored(bench, ["/usr/bin/python3", "-u", str(path)], 10, status=7)


def bash_pipeline(bench):
    script = """i=0
while [ $i -lt 30 ]; do i=$((i+1)); echo line $i; sleep 0.03; done |
  while read a b; do echo "got $b $(echo $b | md5sum | cut -c1-6)"; done
exit 5"""
    undisturbed_and_restored(bench, ["/bin/bash", "-c", script], 5, status=5)


def asked_for_by_itself(bench):
    """By libretake: the program itself and each that is restored learn which they are."""
    def ask(*options, status, image=bench.image, **variables):
        variables = {"RETAKE_COMMAND": bench.retake, **variables}
        words = [f"{name}={value}" for name, value in variables.items()]
        bench.start("env", *words, str(bench.tools / "asks_for_itself"), str(image), "--no-fsync", "--files", "rewind", *options)
        expect(bench.process.wait(timeout=60 * engine.SLOWNESS), status, f"how it ended; it said\n{bench.text()}")
        engine.Reaper().poll()
        return bench.lines()

    rest = ["children ended meanwhile: 0", "its child exited with 7"]
    expect(ask(status=4), ["asks", "written: none, none", *rest], "what it said")
    for _ in range(2):
        bench.restore(status=5)
        expect(bench.lines(), ["asks", f"restored: {bench.image}, {bench.image}", *rest], "what the restored one said")
    if not bench.new_pids:
        ask("--leave", "killed", status=-signal.SIGKILL)
        reaper = engine.Reaper()
        wait_until("the end of all of its processes", lambda: not reaper.poll())
        bench.restore(status=5)
    bench.image.unlink()
    for variables, options, failure in (({}, {"image": bench.place.root / "no" / "image"}, "ENOENT"),
                                        ({"RETAKE_COMMAND": "/no/retake"}, {}, "ENOENT"), ({"RETAKE_COMMAND": "/bin/true"}, {}, "EIO"),
                                        ({"NETLINK": "1"}, {}, "EOPNOTSUPP")):
        said = ask(status=3, **options, **variables)
        # What the command has to say comes sooner or later than what the program has.
        own = [line for line in said if line != "asks" and not line.startswith("retake: ")]
        expect(own[-3:], [f"failed: {failure}", *rest], f"what it said with {variables}")
        expect(bench.image.exists(), False, "an image")


def python_large(bench):
    bench.python("""
import os, time, zlib
data = bytearray(os.urandom(1 << 20) * 300)
for i in range(0, len(data), 4096): data[i] = i >> 12 & 255
sum = zlib.crc32(data)
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
print(zlib.crc32(data) == sum, len(data))
""")
    bench.await_line("ready")
    bench.around()
    expect(bench.lines()[-1], f"True {300 << 20}", "its data")
    size = bench.image.stat().st_size
    # A page in 256 differs from one megabyte that is repeated.
    if size > 20 << 20:
        raise Failure(f"the image takes {size} bytes")


def python_threads(bench):
    bench.python("""
import os, threading, time
turn, condition, said = 0, threading.Condition(), []
def work(me):
    global turn
    for i in range(20):
        with condition:
            condition.wait_for(lambda: turn % 8 == me)
            said.append(me); turn += 1
            if me == 0: print(i); time.sleep(0.02)
            condition.notify_all()
threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads: t.start()
for t in threads: t.join()
print("done", said == [n for _ in range(20) for n in range(8)])
""")
    bench.await_line("5")
    bench.around()
    expect(bench.lines()[-1], "done True", "the threads' turns")


def redis(bench):
    port = free_port()
    bench.start("redis-server", "--port", str(port), "--save", "", "--dir", str(bench.place.work))

    def ask(*words):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
            return client.recv(4096)

    def answers():
        with contextlib.suppress(OSError):
            return ask(b"PING") == b"+PONG\r\n"
        return False

    wait_until("an answer", answers, show=bench.text)
    for number in range(200):
        expect(ask(b"SET", b"key%d" % number, b"value%d" % number), b"+OK\r\n", "an answer")
    time.sleep(0.2)  # its side of the last connections closes
    bench.checkpoint()
    with subprocess.Popen([bench.retake, "restore", str(bench.image)], env=bench.place.environment()) as restored:
        wait_until("an answer of the restored", answers, show=bench.text)
        for number in range(200):
            wanted = b"value%d" % number
            expect(ask(b"GET", b"key%d" % number), b"$%d\r\n%s\r\n" % (len(wanted), wanted), "a kept value")
        ask(b"SHUTDOWN", b"NOSAVE")
        expect(restored.wait(timeout=60), 0, "the server's end")


def sqlite_transaction(bench):
    bench.python("""
import os, sqlite3, time
base = sqlite3.connect("data.db", isolation_level=None)
base.execute("create table t (n)")
base.execute("begin immediate")
for n in range(1000): base.execute("insert into t values (?)", (n,))
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
for n in range(1000): base.execute("insert into t values (?)", (n,))
base.execute("commit")
print(base.execute("select count(*), sum(n) from t").fetchone(), base.execute("pragma integrity_check").fetchone())
""")
    bench.await_line("ready")
    # Its write lock, a record lock, is held again: another writer is refused until it has committed.
    bench.checkpoint()
    with subprocess.Popen([bench.retake, "restore", str(bench.image), *(["--pid", "new"] if bench.new_pids else [])],
                          cwd=bench.place.work, env=bench.place.environment()) as restored:
        # Asked without taking it, which would stand in the way of the restore.
        with open(bench.place.work / "data.db", "rb") as base:
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
            wait_until("the lock", lambda: struct.unpack("hhqqi4x", fcntl.fcntl(base, fcntl.F_GETLK, asked))[0] != fcntl.F_UNLCK,
                       show=bench.text)
        other = sqlite3.connect(bench.place.work / "data.db", isolation_level=None, timeout=0)
        try:
            other.execute("begin immediate")
            raise Failure("another could write")
        except sqlite3.OperationalError as error:
            expect(str(error), "database is locked", "what another was told")
        other.close()
        bench.go()
        expect(restored.wait(timeout=60), 0, "its exit status")
    expect(bench.lines()[-1], "(2000, 999000) ('ok',)", "the table")


def node(bench):
    need("node")
    script = f"let i=0; setInterval(()=>{{ console.log(++i); if (i==40) process.exit(6) }}, {20 * engine.SLOWNESS})"
    undisturbed_and_restored(bench, ["node", "-e", script], 10, status=6)


def java(bench):
    need("java", "javac")
    source = bench.place.bin / "Counter.java"
    source.write_text("""
public class Counter {
  public static void main(String[] a) throws Exception {
    Thread t = new Thread(() -> { try { for (;;) Thread.sleep(1); } catch (Exception e) {} });
    t.setDaemon(true); t.start();
    for (int i = 0; i < 40; i++) { System.out.println(i); System.gc(); Thread.sleep(20); }
    System.exit(8);
  }
}""")
    subprocess.run(["javac", "-d", str(bench.place.bin), str(source)], check=True, timeout=120 * engine.SLOWNESS)
    undisturbed_and_restored(bench, ["java", "-Xmx64m", "-cp", str(bench.place.bin), "Counter"], 10, status=8)


def compiler_under_make(bench):
    bench.place.fresh_work()
    source = bench.place.root / "sources"
    source.mkdir()
    code = functions_of_strings(30)
    (source / "a.cc").write_text(code)
    (source / "Makefile").write_text("a.o: a.cc\n\t@echo compiling\n\t@g++ -O2 -c a.cc\n\t@echo compiled\n")
    bench.start("make", "-C", str(source), "-s")
    bench.await_line("compiling")
    time.sleep(0.5)
    bench.around()
    expect(bench.lines()[-1], "compiled", "the end")
    wanted = subprocess.run(["g++", "-O2", "-c", "a.cc", "-o", "b.o"], cwd=source, check=True, timeout=300 * engine.SLOWNESS)
    expect(wanted.returncode, 0, "another compilation")
    expect((source / "a.o").read_bytes(), (source / "b.o").read_bytes(), "the object file")


def maps_more_than_its_child(bench):
    """A fork that has mapped more since isn't taken for one that shares memory."""
    bench.python("""
import mmap, os, time
child = os.fork()
pages = [mmap.mmap(-1, 1 << 16) for _ in range(300)] if child else []
if child: print("ready", flush=True)
while not os.path.exists("go"): time.sleep(0.01)
if child == 0: os._exit(4)
print(len(pages), os.wait()[1] >> 8)  # its pid may be another one
""")
    bench.await_line("ready")
    bench.around()
    expect(bench.lines(), ["ready", "300 4"], "what it said")


def compressor(bench):
    data = bench.place.root / "data"
    data.write_bytes(random.Random(SEED).randbytes(1 << 20) * engine.times(30, 4))
    bench.start("xz", "-T2", "-k", str(data))
    time.sleep(0.6)
    bench.around()
    back = subprocess.run(["xz", "-dc", f"{data}.xz"], check=True, capture_output=True, timeout=120 * engine.SLOWNESS).stdout
    expect(back == data.read_bytes(), True, "the data")


# --- C02: trees ---

def tree(bench):
    bench.python("""
import os, signal, time
def tell():
    return f"{os.getpid()} {os.getppid() if depth else 0} {os.getpgrp()} {os.getsid(0)}"
depth = 0
pipes = []
def child(kind):
    global depth
    r, w = os.pipe()
    pid = os.fork()
    if pid: os.close(w); pipes.append(r); return pid
    depth += 1
    os.close(r)
    pipes.clear()
    if kind == "session": os.setsid()
    if kind == "group": os.setpgid(0, 0)
    if kind == "deep":
        child("group"); child("session"); child("plain")
    report(w)
    os._exit(0)
def report(w):
    os.write(w, (tell() + "\\n").encode())
    while not os.path.exists("go"): time.sleep(0.01)
    os.write(w, (tell() + "\\n").encode())
    for r in pipes: os.write(w, everything(r))
def everything(r):
    data = b""
    while True:
        more = os.read(r, 4096)
        if not more: return data
        data += more
for kind in ("plain", "session", "group", "deep"): child(kind)
gone = os.fork()
if gone == 0: os._exit(33)
killed = os.fork()
if killed == 0: os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.5)
before = tell()
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
print("same", before == tell())
for r in pipes:
    lines = everything(r).decode().split("\\n")
    print(len(lines), lines[0] == lines[1])
    rest = lines[2:-1]
    print(sorted(rest[0::2]) == sorted(rest[1::2]))
print(os.waitpid(gone, 0)[1] == 33 << 8, os.waitpid(killed, 0)[1] == signal.SIGTERM)
""")
    bench.await_line("ready")
    bench.around()
    expect(bench.lines()[1:], ["same True"] + ["3 True", "True"] * 3 + ["9 True", "True", "True True"], "the tree")


def processes(bench):
    """A tree whose processes don't mind what their pids are."""
    bench.python("""
import os, time
ends = []
for n in range(4):
    r, w = os.pipe(); back, answer = os.pipe()
    if os.fork() == 0:
        os.write(answer, b"child %d heard %s" % (n, os.read(r, 99))); os._exit(n)
    ends.append((w, back))
print("ready", flush=True)
while not os.path.exists("go"): time.sleep(0.01)
for w, back in ends:
    os.write(w, b"hello"); print(os.read(back, 99).decode(), flush=True)
print(sorted(os.wait()[1] >> 8 for _ in ends))
""")
    bench.await_line("ready")
    bench.around()
    expect(bench.lines()[1:], [f"child {n} heard hello" for n in range(4)] + ["[0, 1, 2, 3]"], "the tree")


# --- Terminals ---

ASKS = """
import os, sys
print("ready", os.get_terminal_size(0), flush=True)
line = input()
print("got", line, os.isatty(0), os.get_terminal_size(0), os.tcgetpgrp(0) == os.getpgrp(), open("/dev/tty", "w").isatty(), flush=True)
sys.exit(9)
"""


def read_until(fd, words, seconds=60):
    said = b""
    end = time.monotonic() + seconds * engine.SLOWNESS
    while words not in said:
        if time.monotonic() > end or not select.select([fd], [], [], 1)[0]:
            if time.monotonic() > end:
                raise Failure(f"{words} didn't come, but {said}")
            continue
        said += os.read(fd, 4096)
    return said


def with_terminal(*command, size=(24, 80), **more):
    """A process that leads a session with a terminal of that size; its other end."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(command, preexec_fn=lambda: os.login_tty(slave), **more)
    os.close(slave)
    return process, master


def terminal_from_outside(bench, leads):
    """A program in a terminal is restored in another one, or in none."""
    bench.place.fresh_work()
    program = bench.place.bin / "asks.py"
    program.write_text(ASKS)
    here = {"cwd": bench.place.work, "env": bench.place.environment()}
    if leads:
        bench.process, master = with_terminal("/usr/bin/python3", str(program), **here)
        pid = bench.process.pid
    else:
        # A job of a shell: in a group of its own, in front.
        shell, master = with_terminal("/bin/bash", "--norc", "-i", **here)
        os.write(master, f"/usr/bin/python3 {program}\n".encode())
    read_until(master, b"columns=80, lines=24")
    if not leads:
        pid = int(pathlib.Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()[0])
    bench.run("checkpoint", str(pid), "-o", str(bench.image), "--leave", "killed", "--no-fsync")
    if leads:
        bench.process.wait()
    else:
        shell.kill()
        shell.wait()
    os.close(master)
    # In a terminal of another size.
    restored, master = with_terminal(bench.retake, "restore", str(bench.image), size=(30, 100), **here)
    # Before, both terminals would echo.
    wait_until("the caller's terminal is raw", lambda: not termios.tcgetattr(master)[3] & termios.ECHO)
    os.write(master, b"hello\r")
    said = read_until(master, b"got hello True os.terminal_size(columns=100, lines=30) True True\r\n")
    expect(said.count(b"hello"), 2, "what is echoed, once, and answered")
    expect(restored.wait(timeout=60 * engine.SLOWNESS), 9, "the exit status")
    if not termios.tcgetattr(master)[3] & termios.ECHO:
        raise Failure("the caller's terminal was left raw")
    os.close(master)
    # Without a terminal.
    done = subprocess.run([bench.retake, "restore", str(bench.image)], input=b"again\n", capture_output=True, timeout=60, check=False,
                          **here)
    expect((done.returncode, b"got again True os.terminal_size(columns=80, lines=24) True True" in done.stdout), (9, True),
           f"without a terminal: {done}")
    refused = bench.run("restore", "--detach", str(bench.image), status=125)
    if "without --detach" not in refused.stderr:
        raise Failure(refused.stderr)


def terminal_of_leader(bench):
    terminal_from_outside(bench, leads=True)


def terminal_of_job(bench):
    terminal_from_outside(bench, leads=False)


def vim_under_tmux(bench):
    need("tmux", "vim")
    socket_path = bench.place.root / "tmux"
    tmux = ("tmux", "-S", str(socket_path), "-f", "/dev/null")
    environment = bench.place.environment({"SHELL": "/bin/sh"})
    run = lambda *words: subprocess.run([*tmux, *words], cwd=bench.place.work, env=environment, check=True,
                                        capture_output=True, text=True, timeout=60).stdout
    bench.place.fresh_work()
    run("new-session", "-d", "-x", "90", "-y", "20", "vim -u NONE -n file.txt")
    server = int(run("display-message", "-p", "#{pid}"))
    # Before it is there, the terminal would echo what is typed.
    wait_until("vim to paint its screen", lambda: "~\n~" in run("capture-pane", "-p"))
    run("send-keys", "ihello from before")
    wait_until("vim to show it", lambda: "hello from before" in run("capture-pane", "-p"))
    time.sleep(0.3)
    bench.run("checkpoint", str(server), "-o", str(bench.image), "--leave", "killed", "--no-fsync")
    wait_until("the end of the server", lambda: is_gone(server))
    engine.Reaper().poll()
    socket_path.unlink()
    bench.run("restore", "--detach", str(bench.image))
    before = run("capture-pane", "-p")
    if "hello from before" not in before:
        raise Failure(f"the screen was {before}")
    run("send-keys", " and after", "Escape", ":wq", "Enter")
    saved = bench.place.work / "file.txt"
    wait_until("the file", saved.exists)
    wait_until("its contents", lambda: saved.read_text() == "hello from before and after\n", show=saved.read_text)


def semaphores(bench):
    """A named semaphore, which its maker has mapped under a name that is gone, and others under its own (sem_open)."""
    bench.python("""
import multiprocessing, os, time
def work(lock):
    print("waits", flush=True); lock.acquire(); print("got it", flush=True); lock.release()
if __name__ == "__main__":
    of = multiprocessing.get_context("spawn")
    lock = of.Lock(); lock.acquire()
    child = of.Process(target=work, args=(lock,)); child.start()
    while not os.path.exists("go"): time.sleep(0.01)
    lock.release(); child.join(20); print(child.exitcode); child.kill()
""")
    bench.await_line("waits")
    bench.around()
    expect(bench.lines()[1:], ["got it", "0"], "what the other process saw")
