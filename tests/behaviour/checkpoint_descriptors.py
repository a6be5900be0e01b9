"""C05: descriptors. Each program does something with some of one kind, waits for the restore, and says what they do
then; or it has what can't be kept, and a pattern is given that `--check` has to say of it."""

import re

from checkpoint_bench import PRELUDE, expect, is_root
from engine import Failure


DESCRIPTORS = {
    "pty": ("""
import termios, tty, fcntl, struct
m, s = os.openpty(); t = os.open(os.ttyname(s), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
tty.setraw(s); fcntl.ioctl(m, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 77, 5, 6))
modes = termios.tcgetattr(s)
ready()
print(modes == termios.tcgetattr(s), struct.unpack("HHHH", fcntl.ioctl(s, termios.TIOCGWINSZ, b"x" * 8)))
print(os.ttyname(s) == os.ttyname(t), os.isatty(s), os.ptsname(m) == os.ttyname(s) if hasattr(os, "ptsname") else True)
os.write(m, b"in"); print(os.read(s, 9)); os.write(s, b"out"); print(os.read(m, 9))
try: os.read(t, 9)
except BlockingIOError: print("would block")
os.close(s); os.close(t)
try: os.read(m, 9)
except OSError as e: print("hung up", e.errno)
""", ["True (31, 77, 5, 6)", "True True True", "b'in'", "b'out'", "would block", "hung up 5"]),
    "pty_session": ("""
import pty, termios
pid, m = pty.fork()
if pid == 0:
    os.execl("/bin/bash", "bash", "--norc", "-i")
def until(words):
    said = b""
    while words not in said: said += os.read(m, 4096)
    return said
os.write(m, b"PS1='$ '; sleep 1000 &\\n"); until(b"[1]")
os.write(m, b"echo a$((1+1))z\\n"); until(b"a2z"); time.sleep(0.2)
fcntl.fcntl(m, fcntl.F_SETFL, os.O_NONBLOCK)
try: os.read(m, 4096)
except BlockingIOError: pass
fcntl.fcntl(m, fcntl.F_SETFL, 0)
front = os.tcgetpgrp(m) == pid
ready()
print(front, os.tcgetpgrp(m) == pid)
os.write(m, b"jobs; kill %1; wait; tty; echo b$((2+2))z\\n")
said = until(b"b4z").decode()
print("sleep 1000" in said, "/dev/pts/" in said)
os.write(m, b"cat\\n"); time.sleep(0.3); os.write(m, b"\\x03"); said = until(b"^C")
while b"$ " not in said.partition(b"^C")[2]: said += os.read(m, 4096)
os.write(m, b"exit 7\\n")
while os.waitpid(pid, os.WNOHANG)[0] == 0:
    try: os.read(m, 4096)
    except OSError: time.sleep(0.01)
print("ended")
""", ["True True", "True True", "ended"]),
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
b, n = os.pipe(); os.close(b)
ready()
print(os.read(r, 20000) == b"hello" * 2000, fcntl.fcntl(r, 1032), os.get_blocking(r), os.get_blocking(w))
try: os.read(r, 1)
except BlockingIOError: print("empty")
os.write(w, b"more"); print(os.read(r, 9), os.read(e, 9), os.read(e, 9))
try: os.write(n, b"lost")
except BrokenPipeError: print("broken")
""", ["True 262144 False True", "empty", "b'more' b'rest' b''", "broken"]),
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
    "udp_queued": ("""
def bound(host, family=socket.AF_INET): s = socket.socket(family, socket.SOCK_DGRAM); s.bind((host, 0)); return s
def at(s, host): return host, s.getsockname()[1]
gone = bound("127.0.0.1"); v = bound("127.0.0.1"); u = bound("127.0.0.1"); any4 = bound("0.0.0.0")
u6 = bound("::1", socket.AF_INET6); any6 = bound("::", socket.AF_INET6)
to_u = [(v, b"one", v.getsockname()), (gone, b"", gone.getsockname()), (u, b"itself", u.getsockname()), (any4, b"x" * 60000, at(any4, "127.0.0.1"))]
for s, data, _ in to_u: s.sendto(data, u.getsockname())
v.sendto(b"mapped", at(any6, "127.0.0.1")); u6.sendto(b"six", at(any6, "::1")); any6.sendto(b"back", u6.getsockname())
u.connect(v.getsockname()); gone.close()
ready()
for _, data, who in to_u: print(u.recvfrom(1 << 16) == (data, who), end=" ")
print()
for s, data, who in (any6, b"mapped", at(v, "::ffff:127.0.0.1")), (any6, b"six", at(u6, "::1")), (u6, b"back", at(any6, "::1")):
    got, sender = s.recvfrom(99); print((got, sender[:2]) == (data, who), end=" ")
print()
for s in u, v, any4, u6, any6:
    s.setblocking(False)
    try: print(s.recv(99))
    except BlockingIOError: pass
""", ["True True True True ", "True True True "]),
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
    "record_locks": ("""
f = os.open("a", os.O_RDWR | os.O_CREAT); d = os.dup(f); g = os.open("b", os.O_RDWR | os.O_CREAT); os.write(g, b"x" * 50)
fcntl.lockf(f, fcntl.LOCK_EX, 10, 5); fcntl.lockf(d, fcntl.LOCK_SH, 0, 100); fcntl.lockf(g, fcntl.LOCK_EX)
if os.fork() == 0:
    k = os.open("a", os.O_RDWR); fcntl.lockf(k, fcntl.LOCK_SH, 7, 200); fcntl.lockf(k, fcntl.LOCK_EX, 2, 20)
    while not os.path.exists("go"): time.sleep(0.01)
    time.sleep(0.3); os._exit(0)
time.sleep(0.1)
ready()
# What stands in the way of one who would write there: F_GETLK gives kind, whence, start, length and pid.
def holder(fd, start, length, command=5):
    kind, _, at, size, pid = struct.unpack("hhqqi4x", fcntl.fcntl(fd, command, struct.pack("hhqqi4x", 1, 0, start, length, 0)))
    return ("free" if kind == 2 else "RW"[kind], at, size, pid == os.getppid())
def other():
    k = os.open("a", os.O_RDWR); m = os.open("b", os.O_RDWR)
    print([holder(k, *range) for range in ((0, 5), (5, 10), (20, 2), (15, 5), (100, 1), (500, 9))], holder(m, 0, 0)); sys.stdout.flush(); os._exit(0)
if os.fork() == 0: other()
os.wait(); os.wait()
if os.fork() == 0: other()
os.wait()
""", ["[('free', 0, 5, False), ('W', 5, 10, True), ('W', 20, 2, False), ('free', 15, 5, False), ('R', 100, 0, True), ('R', 100, 0, True)] ('W', 0, 0, True)",
      "[('free', 0, 5, False), ('W', 5, 10, True), ('free', 20, 2, False), ('free', 15, 5, False), ('R', 100, 0, True), ('R', 100, 0, True)] ('W', 0, 0, True)"]),
    "description_locks": ("""
f = os.open("a", os.O_RDWR | os.O_CREAT); g = os.open("a", os.O_RDWR)
take = lambda fd, kind, start, length: fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", kind, 0, start, length, 0))
take(f, 1, 0, 10); take(f, 0, 10, 10); take(g, 0, 10, 0)
ready()
for fd, start, length in ((g, 0, 10), (g, 10, 10), (f, 10, 10), (f, 0, 10)):
    try: take(fd, 1, start, length); print("taken")
    except BlockingIOError: print("locked")
""", ["locked", "locked", "locked", "taken"]),
    "lease": ("""
f = os.open("a", os.O_RDWR | os.O_CREAT); signal.signal(signal.SIGUSR2, lambda n, _: print("broken", fcntl.fcntl(f, 1025))); fcntl.fcntl(f, 10, 12); fcntl.fcntl(f, 1024, 1)
ready()
print(fcntl.fcntl(f, 1025))
if os.fork() == 0:
    try: os.open("a", os.O_RDONLY | os.O_NONBLOCK)
    except BlockingIOError: os._exit(5)
print(os.waitstatus_to_exitcode(os.wait()[1]))
""", ["1", "broken 0", "5"]),
    "lease_outside": ("""
f = os.open("a", os.O_RDWR | os.O_CREAT); fcntl.fcntl(f, 8, 1); fcntl.fcntl(f, 1024, 1)
ready()
""", "its signals go to process 1, which is not in the checkpoint"),
    "signals_of_input": ("""
got = []
for number in (signal.SIGIO, signal.SIGUSR1): signal.signal(number, lambda n, _: got.append(n))
a, b = socket.socketpair(); r, w = os.pipe()
fcntl.fcntl(a, fcntl.F_SETOWN, os.getpid()); fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
fcntl.fcntl(r, fcntl.F_SETOWN, -os.getpgrp()); fcntl.fcntl(r, 10, 10); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)
ready()
owner = lambda fd: struct.unpack("ii", fcntl.fcntl(fd, 16, bytes(8)))
print(owner(a) == (1, os.getpid()), owner(r) == (2, os.getpgrp()))
b.send(b"x"); os.write(w, b"y"); print(sorted(got) == [10, 29])
""", ["True True", "True"]),
    "directory_notes": ("""
d = os.open(".", os.O_RDONLY); signal.signal(signal.SIGIO, signal.SIG_IGN); fcntl.fcntl(d, 1026, 4)
ready()
""", "may be watched by F_NOTIFY"),
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
        if isinstance(wanted, str):
            check = bench.run("checkpoint", "--check", str(bench.process.pid), status=3)
            if not re.search(wanted, check.stdout):
                raise Failure(f"{wanted!r} isn't in what --check says: {check.stdout}")
            # Nothing was done to it.
            bench.go()
            expect((bench.process.wait(timeout=60), bench.lines()), (0, ["ready"]), "its end")
            return
        bench.around()
        expect(bench.lines(), ["ready", *wanted], "what the descriptors did")
    return case
