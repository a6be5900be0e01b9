"""Programs that are checkpointed, killed and restored, and go on as if nothing had been.

Each case starts a program with its output in a file, waits until it has said something, takes a
checkpoint, ends it, restores it, and looks at what it says then: by itself, or beside an undisturbed
run. A program that has to wait for that looks for a file named "go", made after the restore.
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
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

    def start(self, *command, stdin=subprocess.DEVNULL, stdout=None, **more):
        self.place.fresh_work()
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(command, cwd=self.place.work, env=self.place.environment(), stdin=stdin,
                                            stdout=stdout or out, stderr=subprocess.STDOUT, start_new_session=True, **more)
        return self.process.pid

    def python(self, program, **more):
        path = self.place.bin / "program.py"
        path.write_text(program)
        return self.start("/usr/bin/python3", "-u", str(path), **more)

    def text(self):
        return self.output.read_text(errors="replace")

    def lines(self):
        return self.text().splitlines()

    def await_line(self, wanted, seconds=60):
        """Until a line that begins so has been said."""
        wait_until(f"the line {wanted!r}", lambda: any(line.startswith(wanted) for line in self.lines()), seconds,
                   lambda: self.text()[-2000:])

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
        return self.run("restore", str(self.image), *options, status=status, **more)

    def go(self):
        (self.place.work / "go").touch()

    def around(self, *options, status=0, restore=()):
        """Checkpoint, kill, restore to the end."""
        self.checkpoint(*options)
        self.go()
        self.restore(*restore, status=status)


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
    # Its write lock is a record lock, which goes with its process and is named.
    done = bench.run("checkpoint", str(bench.process.pid), "-o", str(bench.image), status=3)
    if "lock" not in done.stderr:
        raise Failure(f"its lock isn't named: {done.stderr}")
    bench.around("--force")
    expect(bench.lines()[-1], "(2000, 999000) ('ok',)", "the table")


def node(bench):
    need("node")
    script = "let i=0; setInterval(()=>{ console.log(++i); if (i==40) process.exit(6) }, 20)"
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
    code = "#include <map>\n#include <string>\n#include <regex>\n" + "".join(
        f"int f{n}(const std::string& s) {{ return std::regex_match(s, std::regex(\"{n}.*\")); }}\n" for n in range(30))
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


def compressor(bench):
    data = bench.place.root / "data"
    data.write_bytes(random.Random(SEED).randbytes(1 << 20) * 30)
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


# --- C04: signals, timers and the rest of a process's state ---

def state(bench):
    bench.python("""
import ctypes, os, resource, signal, struct, subprocess, threading, time
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0o027); os.makedirs("dir"); os.chdir("dir")
os.nice(3); os.sched_setaffinity(0, {0})
resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192)); resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
libc.prctl(15, b"a name", 0, 0, 0); libc.prctl(29, 12345, 0, 0, 0); libc.prctl(36, 1, 0, 0, 0); libc.prctl(38, 1, 0, 0, 0)
open("/proc/self/oom_score_adj", "w").write("77"); open("/proc/self/coredump_filter", "w").write("0x7f")
seen = []
signal.signal(signal.SIGUSR1, lambda *a: seen.append("usr1")); signal.signal(signal.SIGALRM, lambda *a: seen.append("alrm"))
signal.signal(signal.SIGUSR2, signal.SIG_IGN); signal.signal(signal.SIGRTMIN, lambda *a: seen.append("rt"))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGRTMIN, signal.SIGCHLD})
os.kill(os.getpid(), signal.SIGUSR1)
for n in range(3): os.kill(os.getpid(), signal.SIGRTMIN)
signal.setitimer(signal.ITIMER_VIRTUAL, 1000, 7)
subprocess.run(["ionice", "-c", "2", "-n", "5", "-p", str(os.getpid())], check=True)
def words():
    status = open("/proc/self/status").read().splitlines()
    keep = ("Name", "Umask", "State", "Uid", "Gid", "Groups", "Sig", "Shd", "Cap", "NoNew", "Cpus_allowed:", "Threads", "THP")
    lines = [l for l in status if l.startswith(keep)]
    lines += [os.getcwd(), str(os.nice(0)), str(os.sched_getaffinity(0)), subprocess.check_output(["ionice", "-p", str(os.getpid())], text=True)]
    lines += [str(resource.getrlimit(r)) for r in range(16)]
    lines += [open("/proc/self/" + n).read() for n in ("oom_score_adj", "coredump_filter", "personality", "cmdline", "auxv".replace("auxv", "comm"))]
    lines += [os.readlink("/proc/self/" + n) for n in ("exe", "cwd", "root")]
    stat = open("/proc/self/stat").read().rpartition(")")[2].split()
    lines += [str(stat[n - 3]) for n in (26, 27, 28, 38, 45, 46, 47, 48, 49, 50, 51)]
    lines += [str(libc.prctl(n, 0, 0, 0, 0)) for n in (3, 30, 39)]
    lines.append(str(signal.getitimer(signal.ITIMER_VIRTUAL)[1]))
    lines.append(open("/proc/self/auxv", "rb").read().hex())
    return lines
before = words()
signal.setitimer(signal.ITIMER_REAL, 0.7)
print("ready")
while not os.path.exists("../go"):
    try: time.sleep(0.01)
    except InterruptedError: pass
after = words()
for b, a in zip(before, after):
    if b != a: print("differs:", b, "->", a)
time.sleep(1)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGRTMIN})
print(sorted(seen))
""")
    bench.await_line("ready")
    bench.around()
    expect(bench.lines(), ["ready", "['alrm', 'rt', 'usr1']"], "its state")


def leader_exited(bench):
    """The first task has exited, another goes on and ends the process."""
    bench.python(PRELUDE + """
import ctypes, threading
libc = ctypes.CDLL(None)
def rest():
    while open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z": time.sleep(0.01)
    r, w = os.pipe(); os.write(w, b"kept")
    before = os.getcwd(), sorted(os.listdir("/proc/self/task"))
    ready()
    print(os.read(r, 9), before == (os.getcwd(), sorted(os.listdir("/proc/self/task"))))
    os._exit(5)
threading.Thread(target=rest).start()
libc.pthread_exit(None)
""")
    bench.await_line("ready")
    bench.around(status=5)
    expect(bench.lines()[1:], ["b'kept' True"], "the rest of it")


def attributes(bench):
    """Of the process, and of each thread for itself: credentials, policies, registrations."""
    bench.start(str(bench.tools / "attributes"))
    bench.await_line("ready")
    bench.around()
    expect(bench.lines(), ["ready", "same"], "its attributes")


def calls_in_progress(bench):
    """A target left running sees no interrupted call, however often it is looked at."""
    bench.start(str(bench.tools / "interrupted_calls"))
    bench.await_line("ready")
    for _ in range(max(5, 50 // engine.SLOWNESS)):
        bench.checkpoint(leave="running")
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, f"its end; it said\n{bench.text()}")


def stopped(bench):
    bench.python("import os, time\nprint('ready')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('end')\n")
    bench.await_line("ready")
    os.kill(bench.process.pid, signal.SIGSTOP)
    pid = bench.process.pid
    state_of = lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    wait_until("its stop", lambda: state_of() == "T")
    bench.checkpoint(leave="running")
    expect(state_of(), "T", "its state after the checkpoint")
    bench.checkpoint()
    bench.go()
    # In a pid namespace it is another from here.
    pid = int(bench.restore("--detach").stdout)
    wait_until("its stop again", lambda: state_of() == "T")
    time.sleep(0.2)
    expect(bench.lines(), ["ready"], "what it said while it was stopped")
    os.kill(pid, signal.SIGCONT)
    bench.await_line("end")


# --- C05: descriptors ---

PRELUDE = """
import ctypes, fcntl, os, select, signal, socket, struct, sys, time, mmap
libc = ctypes.CDLL(None, use_errno=True)
def ready():
    print("ready")
    while not os.path.exists("go"): time.sleep(0.01)
"""

DESCRIPTORS = {
    "regular": ("""
f = os.open("a", os.O_RDWR | os.O_CREAT); os.write(f, b"abcdefgh"); os.lseek(f, 3, 0)
g = os.dup(f); h = os.open("a", os.O_WRONLY | os.O_APPEND); os.set_inheritable(h, True)
ready()
print(os.read(g, 2), os.lseek(f, 0, 1), fcntl.fcntl(h, fcntl.F_GETFL) & os.O_APPEND != 0, os.get_inheritable(h), os.get_inheritable(f))
os.write(h, b"XY"); print(os.pread(f, 100, 0))
""", ["b'de' 5 True True False", "b'abcdefghXY'"]),
    "deleted": ("""
f = open("a", "w+b"); f.write(b"x" * 100000 + b"end"); f.flush(); f.seek(99999); os.unlink("a")
m = mmap.mmap(f.fileno(), 4096)
ready()
print(f.read(), os.fstat(f.fileno()).st_nlink, os.fstat(f.fileno()).st_size)
m[0:3] = b"new"; print(os.pread(f.fileno(), 4, 0))
""", ["b'xend' 0 100003", "b'newx'"]),
    "directory": ("""
os.mkdir("d")
for n in "abc": open("d/" + n, "w").close()
d = os.open("d", os.O_RDONLY | os.O_DIRECTORY)
ready()
print(sorted(os.listdir(d)), os.fstat(d).st_ino == os.stat("d").st_ino)
""", ["['a', 'b', 'c'] True"]),
    "devices": ("""
n = os.open("/dev/null", os.O_RDWR); z = os.open("/dev/zero", os.O_RDONLY); u = os.open("/dev/urandom", os.O_RDONLY)
ready()
print(os.write(n, b"abc"), os.read(n, 1), os.read(z, 3), len(os.read(u, 9)))
""", [r"3 b'' b'\x00\x00\x00' 9"]),
    "pipe": ("""
r, w = os.pipe(); os.write(w, b"hello" * 2000); fcntl.fcntl(w, 1031, 1 << 18); os.set_blocking(r, False)
e, x = os.pipe(); os.write(x, b"rest"); os.close(x)
ready()
print(os.read(r, 20000) == b"hello" * 2000, fcntl.fcntl(r, 1032), os.get_blocking(r), os.get_blocking(w))
try: os.read(r, 1)
except BlockingIOError: print("empty")
os.write(w, b"more"); print(os.read(r, 9), os.read(e, 9), os.read(e, 9))
""", ["True 262144 False True", "empty", "b'more' b'rest' b''"]),
    "packets": ("""
r, w = os.pipe2(os.O_DIRECT)
for p in (b"one", b"two two", b"3"): os.write(w, p)
ready()
print(os.read(r, 100), os.read(r, 100), os.read(r, 100))
""", ["b'one' b'two two' b'3'"]),
    "fifo": ("""
os.mkfifo("f"); r = os.open("f", os.O_RDONLY | os.O_NONBLOCK); w = os.open("f", os.O_WRONLY); os.write(w, b"in it")
ready()
v = os.open("f", os.O_WRONLY); os.write(v, b"!"); print(os.read(r, 100))
""", ["b'in it!'"]),
    "eventfd": ("""
e = libc.eventfd(5, 1); f = libc.eventfd(9, 0o4000)
ready()
print(os.read(e, 8)[0], os.read(e, 8)[0], os.read(f, 8)[0], os.get_blocking(e), os.get_blocking(f))
try: os.read(f, 8)
except BlockingIOError: print("zero")
""", ["1 1 9 True False", "zero"]),
    "timerfd": ("""
def timer(first, every):
    t = libc.timerfd_create(1, 0); libc.timerfd_settime(t, 0, struct.pack("qqqq", 0, every, 0, first), None); return t
past = timer(1000, 0); beating = timer(1000, 10000000); far = timer(900000000, 0)
time.sleep(0.05)
ready()
print(os.read(past, 8)[0], struct.unpack("Q", os.read(beating, 8))[0] >= 4, os.read(far, 8)[0])
""", ["1 True 1"]),
    "signalfd": ("""
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); mask = struct.pack("Q", 1 << signal.SIGUSR1 - 1)
s = libc.signalfd(-1, mask, 0); os.kill(os.getpid(), signal.SIGUSR1)
ready()
print(struct.unpack_from("I", os.read(s, 128))[0] == signal.SIGUSR1)
""", ["True"]),
    "epoll": ("""
r, w = os.pipe(); a, b = socket.socketpair(); e = select.epoll()
e.register(r, select.EPOLLIN); e.register(a, select.EPOLLIN | select.EPOLLOUT); os.write(w, b"x")
ready()
print(sorted(e.poll(1)) == sorted([(r, 1), (a.fileno(), 4)])); b.send(b"y")
e.modify(a, select.EPOLLIN); e.unregister(r); print(e.poll(1) == [(a.fileno(), 1)])
""", ["True", "True"]),
    "memfd": ("""
m = os.memfd_create("some name", os.MFD_ALLOW_SEALING); os.write(m, b"data" * 5000); s = mmap.mmap(m, 20000)
sealed = os.memfd_create("sealed", os.MFD_ALLOW_SEALING); os.write(sealed, b"fixed"); fcntl.fcntl(sealed, 1033, 15)
ready()
s[0:4] = b"DATA"; print(os.pread(m, 8, 0), os.lseek(m, 0, 1), os.readlink(f"/proc/self/fd/{m}"))
try: os.pwrite(sealed, b"x", 0)
except PermissionError: print(os.pread(sealed, 9, 0), fcntl.fcntl(sealed, 1034))
""", ["b'DATAdata' 20000 /memfd:some name (deleted)", "b'fixed' 15"]),
    "unix_stream": ("""
a, b = socket.socketpair(); a.sendall(b"there" * 3000); b.sendall(b"back"); c, d = socket.socketpair(); c.sendall(b"last"); c.close()
f, g = socket.socketpair(); f.sendall(b"half"); f.shutdown(socket.SHUT_WR)
ready()
print(b.recv(20000) == b"there" * 3000, a.recv(99), d.recv(99), d.recv(99), g.recv(99), g.recv(99))
a.sendall(b"on"); g.sendall(b"still"); print(b.recv(99), f.recv(99))
""", ["True b'back' b'last' b'' b'half' b''", "b'on' b'still'"]),
    "unix_messages": ("""
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); c, d = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for s in (a, c):
    for m in (b"one", b"two two", b"3"): s.send(m)
ready()
print([s.recv(99) for s in (b, b, b, d, d, d)]); a.send(b"on"); c.send(b"on"); print(b.recv(9), d.recv(9))
""", ["[b'one', b'two two', b'3', b'one', b'two two', b'3']", "b'on' b'on'"]),
    "unix_listening": ("""
l = socket.socket(socket.AF_UNIX); l.bind("sock"); l.listen(3); n = socket.socket(socket.AF_UNIX); n.bind(b"\\0retake-test-%d" % os.getpid()); n.listen(1)
ready()
for s in (l, n):
    c = socket.socket(socket.AF_UNIX); c.connect(s.getsockname()); p, _ = s.accept(); c.sendall(b"hi"); print(p.recv(9))
""", ["b'hi'", "b'hi'"]),
    "tcp_listening": ("""
l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(("127.0.0.1", 0)); l.listen(7); port = l.getsockname()[1]
s = socket.socket(socket.AF_INET6); s.setsockopt(41, 26, 1); s.setsockopt(6, 1, 1)
ready()
print(l.getsockname()[1] == port, l.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR), s.getsockopt(41, 26), s.getsockopt(6, 1))
c = socket.create_connection(("127.0.0.1", port)); p, _ = l.accept(); c.sendall(b"hi"); print(p.recv(9))
""", ["True 1 1 1", "b'hi'"]),
    "udp": ("""
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("127.0.0.1", 0)); v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname())
ready()
v.send(b"hi"); data, who = u.recvfrom(9); u.sendto(b"ho", who); print(data, v.recv(9))
""", ["b'hi' b'ho'"]),
    "inotify": ("""
os.mkdir("w"); os.mkdir("v"); i = libc.inotify_init(); libc.inotify_add_watch(i, b".", 0x200); libc.inotify_add_watch(i, b"w", 0x100)
libc.inotify_rm_watch(i, 1); libc.inotify_add_watch(i, b"v", 0x100); os.read(i, 99)
ready()
open("w/x", "w").close(); open("v/y", "w").close(); e = os.read(i, 999); print(struct.unpack_from("iI", e), struct.unpack_from("iI", e, 32))
""", ["(2, 256) (3, 256)"]),
    "shared_by_processes": ("""
f = os.open("a", os.O_RDWR | os.O_CREAT); os.write(f, b"abcdefgh"); os.lseek(f, 2, 0); shared = mmap.mmap(-1, 4096); r, w = os.pipe()
if os.fork() == 0:
    while not os.path.exists("go"): time.sleep(0.01)
    os.lseek(f, 5, 0); shared[0:5] = b"child"; os.write(w, b"done"); os._exit(0)
ready()
print(os.read(r, 9), os.read(f, 9), shared[0:5], os.wait()[1])
""", ["b'done' b'fgh' b'child' 0"]),
    "locks": ("""
f = open("a", "w"); fcntl.flock(f, fcntl.LOCK_EX)
ready()
g = open("a", "w")
try: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError: print("locked")
""", ["locked"]),
}


def descriptors(kind):
    def case(bench):
        program, wanted = DESCRIPTORS[kind]
        bench.python(PRELUDE + program)
        bench.await_line("ready")
        if kind == "inotify" and not is_root():
            # What is watched, only a capability tells: so it is named.
            check = bench.run("checkpoint", "--check", str(bench.process.pid), status=3)
            expect(sorted(set(re.findall(r"watch \d", check.stdout))), ["watch 2", "watch 3"], "the watches named")
            return
        bench.around()
        expect(bench.lines(), ["ready", *wanted], "what the descriptors did")
    return case


# --- C06: memory ---

def memory(bench):
    bench.start(str(bench.tools / "memory_kinds"))
    bench.await_line("ready")
    bench.around()
    expect(bench.lines()[1:], ["same"], "its memory")


# --- C07: the pause ---

def copied_while_running(bench):
    """A large process is read from a copy while it runs on, and neither it nor its parent can tell."""
    bench.start(str(bench.tools / "large_memory"))
    bench.await_line("ready")
    pid = bench.process.pid
    for _ in range(3):
        bench.checkpoint("--files", "rewind", leave="running")
    first = bench.image.read_bytes()
    moments = random.Random(SEED)
    for _ in range(max(2, 10 // engine.SLOWNESS)):
        command = subprocess.Popen([bench.retake, "checkpoint", str(pid), "-o", str(bench.image), "--no-fsync", "-q"],
                                   stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.002, 0.1))
        command.kill()
        command.wait()
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, "its end")
    expect(bench.lines(), ["ready", "same"], "the original")
    # Its copies are orphans, and so ours here.
    reaper = engine.Reaper()
    wait_until("the end of all copies", lambda: not reaper.poll())
    bench.image.write_bytes(first)
    bench.restore()
    expect(bench.lines(), ["ready", "same"], "the restored one")


# --- C08: losses and failures ---

def losses(bench):
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = PRELUDE + f"""
s = socket.create_connection(("127.0.0.1", {server.getsockname()[1]}))
ready()
print("end")
"""
        read, write = os.pipe()
        bench.python(program, stdin=read)
        bench.await_line("ready")
        pid = bench.process.pid
        done = bench.run("checkpoint", str(pid), "-o", str(bench.image), status=3)
        for wanted in (f"pid {pid}, fd 0 (pipe)", f"pid {pid}, fd 3 (socket", "127.0.0.1", "retake: loss: "):
            if wanted not in done.stderr:
                raise Failure(f"{wanted!r} isn't named in: {done.stderr}")
        check = bench.run("checkpoint", "--check", str(pid), status=3)
        if f"pid {pid}, fd 3" not in check.stdout:
            raise Failure(f"--check says only: {check.stdout}")
        if bench.image.exists() or list(bench.place.root.glob(".retake*")):
            raise Failure("something was left behind")
        done = bench.run("checkpoint", str(pid), "-o", str(bench.image), "--skip-fd", "0,3")
        bench.go()
        expect(bench.process.wait(timeout=60), 0, "its end")
        os.close(read)
        os.close(write)


def one_thread_confined(bench):
    """What a single thread has done to itself is named too, with its tid."""
    bench.start(str(bench.tools / "attributes"), "confined")
    bench.await_line("ready")
    pid = bench.process.pid
    thread = [int(tid) for tid in os.listdir(f"/proc/{pid}/task") if int(tid) != pid][0]
    check = bench.run("checkpoint", "--check", str(pid), status=3)
    # To an ordinary user two things are lost: the filter, and what the thread can't be asked for.
    expect([line.partition(":")[0] for line in check.stdout.splitlines()],
           [f"pid {thread} (seccomp)"] * (1 if is_root() else 2), "the losses")
    bench.go()
    expect(bench.process.wait(timeout=60), 0, "its end")
    bench.python(PRELUDE + """
import ctypes, threading
libc = ctypes.CDLL(None, use_errno=True)
def apart():
    for what in (0x200, 0x400, 0x04000000)[:3 if os.geteuid() == 0 else 2]:
        if libc.unshare(what) != 0: print("unshare", hex(what), ctypes.get_errno())
    ready()
t = threading.Thread(target=apart); t.start(); t.join()
print("end")
""")
    bench.await_line("ready")
    pid = bench.process.pid
    thread = [int(tid) for tid in os.listdir(f"/proc/{pid}/task") if int(tid) != pid][0]
    check = bench.run("checkpoint", "--check", str(pid), status=3)
    found = sorted(line.partition(":")[0] for line in check.stdout.splitlines())
    expect(found, [f"pid {thread} ({kind})" for kind in ("descriptors", "directory", "namespace")[:3 if is_root() else 2]],
           "the losses")
    bench.go()
    expect(bench.process.wait(timeout=60), 0, "its end")


def failures(bench):
    bench.python("import os, time\nprint('ready')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('end')\n")
    bench.await_line("ready")
    pid = bench.process.pid

    def refused(words, *arguments, status=125):
        done = bench.run(*arguments, status=status)
        for word in words:
            if word not in done.stderr:
                raise Failure(f"{word!r} isn't in: {done.stderr}")

    refused(["no such process", "4000000"], "checkpoint", "4000000", "-o", str(bench.image))
    refused(["can't open the directory"], "checkpoint", str(pid), "-o", "/nowhere/image")
    refused(["is no pid"], "checkpoint", "hello", "-o", str(bench.image), status=2)
    refused(["-o FILE"], "checkpoint", str(pid), status=2)
    with subprocess.Popen([str(bench.tools / "tracer"), str(pid)], stdout=subprocess.PIPE) as tracer:
        tracer.stdout.readline()
        refused([f"traced by pid {tracer.pid}", "tracer"], "checkpoint", str(pid), "-o", str(bench.image))
        tracer.kill()
    full = bench.run("checkpoint", str(pid), "-o", "/dev/full", status=125)
    if "isn't a regular file" not in full.stderr:
        raise Failure(full.stderr)
    bench.go()
    expect(bench.process.wait(timeout=60), 0, "its end")
    expect(bench.lines(), ["ready", "end"], "its output")


def several_at_once(bench):
    """The original and two restored ones, all with one pid."""
    bench.python("import os, time\nprint('ready', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
                 "print('end', os.getpid(), flush=True)\n")
    bench.await_line("ready")
    bench.checkpoint("--files", "keep", leave="running")
    pids = [int(bench.restore("--detach").stdout) for _ in range(2)]
    expect(len({*pids, bench.process.pid}), 3, "the number of different pids from outside")
    for pid in pids:
        inside = pathlib.Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].splitlines()[0].split()
        expect(inside, [str(pid), str(bench.process.pid)], "the pids outside and inside")
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, "its end")
    wait_until("the end of both", lambda: all(is_gone(pid) for pid in pids))
    # They share no offset: each writes where it was.
    expect(bench.lines(), ["ready", f"end {bench.process.pid}"], "what they wrote over each other")
    bench.image.rename(bench.place.root / "other")
    done = bench.run("restore", str(bench.place.root / "other"), "--pid", "new")
    expect(done.stdout, "", "its own output")
    if bench.lines()[1] == f"end {bench.process.pid}":
        raise Failure(f"--pid new gave the same pid: {bench.text()}")


def killed_at_work(bench):
    """Whatever moment the command is killed at, the target goes on, and nothing is left behind.

    Calls that the kernel itself ends with EINTR at any stop are left out: they are made again only
    by one who lives to do it.
    """
    bench.start(str(bench.tools / "interrupted_calls"), "continued")
    bench.await_line("ready")
    pid = bench.process.pid
    moments = random.Random(SEED)
    for _ in range(max(10, 200 // engine.SLOWNESS)):
        command = subprocess.Popen([bench.retake, "checkpoint", str(pid), "-o", str(bench.image), "--no-fsync", "-q"],
                                   stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0, 0.012))
        command.kill()
        command.wait()
        bench.image.unlink(missing_ok=True)
        left = list(bench.place.root.glob(".retake*"))
        if left:
            raise Failure(f"left behind: {left}")
    wait_until("the target to run", lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "SR")
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    if "TracerPid:\t0" not in status:
        raise Failure(status)
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, f"its end; it said\n{bench.text()}")


def many_times(bench):
    """Checkpoint after checkpoint: no growth and no drift."""
    bench.start(str(bench.tools / "interrupted_calls"))
    bench.await_line("ready")
    status = lambda: [line for line in pathlib.Path(f"/proc/{bench.process.pid}/status").read_text().splitlines()
                      if line.startswith(("VmRSS", "VmData", "VmSize", "Threads", "SigPnd", "SigBlk", "SigIgn", "SigCgt", "ShdPnd"))]
    maps = lambda: pathlib.Path(f"/proc/{bench.process.pid}/maps").read_text()
    bench.checkpoint(leave="running")
    before, mapped, size = status(), maps(), bench.image.stat().st_size
    for _ in range(max(10, 1000 // engine.SLOWNESS)):
        bench.checkpoint("-q", leave="running")
    expect(status(), before, "its size")
    expect(maps(), mapped, "its mappings")
    if abs(bench.image.stat().st_size - size) > 4096:
        raise Failure(f"the image went from {size} to {bench.image.stat().st_size} bytes")
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, f"its end; it said\n{bench.text()}")


# --- C09: damaged images ---

def damaged(bench):
    bench.python("import os, time\nprint('ready')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('end')\n")
    bench.await_line("ready")
    bench.checkpoint()
    whole = bench.image.read_bytes()
    moments = random.Random(SEED)

    def refused(data, what):
        bench.image.write_bytes(data)
        done = bench.run("restore", str(bench.image), status=125)
        if not re.match(r"retake: \w+", done.stderr.splitlines()[-1]):
            raise Failure(f"{what}: {done.stderr}")

    for _ in range(max(5, 40 // engine.SLOWNESS)):
        at = moments.randrange(len(whole))
        refused(whole[:at], f"cut at {at}")
        at = moments.randrange(24, len(whole))
        flipped = bytearray(whole)
        flipped[at] ^= 1 << moments.randrange(8)
        refused(bytes(flipped), f"a bit flipped at {at}")
    refused(b"", "an empty file")
    refused(b"hello\n" * 100, "no image at all")
    foreign = bytearray(whole)
    foreign[12] ^= 3
    refused(bytes(foreign), "another architecture")
    bench.image.write_bytes(whole)
    bench.go()
    bench.restore()
    expect(bench.lines(), ["ready", "end"], "the undamaged one's output")


def inspected(bench):
    """What a checkpoint holds is told without restoring it, and whether it is whole."""
    bench.python("import os, threading, time\nf = open('data', 'w+'); f.write('hello'); f.flush()\nr, w = os.pipe(); os.write(w, b'xyz')\n"
                 "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\ntime.sleep(0.1)\nprint('ready', flush=True)\n"
                 "while not os.path.exists('go'): time.sleep(0.01)\n")
    bench.await_line("ready")
    pid = bench.process.pid
    bench.checkpoint()
    text = bench.run("inspect", str(bench.image)).stdout
    for wanted in (f"process {pid} (python3)", "1 process, 2 tasks", "restores here yes", f"{bench.place.work}/data, at 5",
                   ", 3 bytes in it", f"  task {pid} (python3): in ", "[heap]", "libc.so.6", "/usr/bin/python3"):
        if wanted not in text:
            raise Failure(f"{wanted!r} isn't in\n{text}")
    # The stack goes from the C library's call through the interpreter to where the program began.
    frames = re.findall(r"^#(\d+) .* in (\S+)", text, re.M)
    if not any(name.startswith("_start+") for _, name in frames) or not any("Py" in name for _, name in frames):
        raise Failure(f"a stack without an end, or without names:\n{text}")
    held = json.loads(bench.run("inspect", "--json", str(bench.image)).stdout)
    process = held["processes"][0]
    expect((process["pid"], len(process["tasks"]), process["pages_taken"]), (pid, 2, 2), "the process")
    expect(process["arguments"][0], "/usr/bin/python3", "its command")
    if process["tasks"][0]["registers"]["rip" if os.uname().machine == "x86_64" else "pc"] == "0x0":
        raise Failure("a register is missing")
    if "intact" not in bench.run("verify", str(bench.image)).stdout:
        raise Failure("a whole checkpoint isn't called intact")
    whole = bench.image.read_bytes()
    moments = random.Random(SEED)
    for _ in range(max(5, 40 // engine.SLOWNESS)):
        flipped = bytearray(whole)
        # Behind the header, which says what it is.
        flipped[moments.randrange(24, len(whole))] ^= 1 << moments.randrange(8)
        bench.image.write_bytes(flipped)
        done = bench.run("verify", str(bench.image), status=1)
        if "retake: damaged: " not in done.stderr:
            raise Failure(done.stderr)


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


CASES = {
    "C01_python": python_counts,
    "C01_python_large": python_large,
    "C01_python_threads": python_threads,
    "C01_bash_pipeline": bash_pipeline,
    "C01_redis": redis,
    "C01_sqlite_transaction": sqlite_transaction,
    "C01_node": node,
    "C01_java": java,
    "C01_compiler_under_make": compiler_under_make,
    "C01_compressor": compressor,
    "C02_tree": tree,
    "C04_state": state,
    "C02_leader_exited": leader_exited,
    "C04_attributes": attributes,
    "C04_calls_in_progress": calls_in_progress,
    "C04_stopped": stopped,
    "C06_memory": memory,
    "C07_copied_while_running": copied_while_running,
    "C08_losses": losses,
    "C08_one_thread_confined": one_thread_confined,
    "C08_failures": failures,
    "C02_several_at_once": several_at_once,
    "C08_killed_at_work": killed_at_work,
    "C08_many_times": many_times,
    "C09_damaged": damaged,
    "C09_inspected": inspected,
}
CASES.update({f"C05_{kind}": descriptors(kind) for kind in DESCRIPTORS})


def become_ordinary_user(options, place):
    """Nobody, with what is needed where nobody can reach it."""
    if os.geteuid() != 0:
        return
    tools = place.root / "tools"
    shutil.copytree(options.tools, tools, ignore=lambda directory, names: [n for n in names if n.endswith((".cmake", "CMakeFiles"))])
    options.tools = tools
    options.retake = shutil.copy(options.retake, place.root / "retake")
    for path in (place.root, *(place.root / name for name in ("work", "home", "cache", "store", "tmp", "bin"))):
        os.chown(path, 65534, 65534)
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--tools", required=True, type=pathlib.Path)
    parser.add_argument("--case", required=True, choices=CASES)
    parser.add_argument("--ordinary-user", action="store_true", help="without any capability")
    options = parser.parse_args()
    engine.become_subreaper()
    place = engine.Place(options.case)
    if options.ordinary_user:
        become_ordinary_user(options, place)
    bench = Bench(options.retake, place)
    bench.tools = options.tools
    try:
        CASES[options.case](bench)
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    finally:
        engine.kill_descendants()
        place.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
