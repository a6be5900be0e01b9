"""C05: TCP connections, with what is outside of the tree."""

import contextlib
import ctypes
import fcntl
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import engine
from checkpoint_bench import PRELUDE, SEED, expect, is_gone, is_root, need, wait_until
from engine import Failure


def closed(bench):
    """--tcp-close: a connection to elsewhere is reset in what is restored, once what had come is read."""
    for without in (os.environ.get("RETAKE_WITHOUT", ""), "tcp_peek_off"):
        os.environ["RETAKE_WITHOUT"] = without
        with socket.create_server(("127.0.0.1", 0)) as server:
            bench.python(PRELUDE + f"""
s = socket.create_connection(("127.0.0.1", {server.getsockname()[1]}))
s.send(b"hello")
ready()
got = b""
while len(got) < 100004: got += s.recv(100004 - len(got))
print(got[:4], got.count(b"-"), s.getsockname()[0])
try: print(s.recv(4))
except ConnectionError as error: print(type(error).__name__)
""")
            ours, _ = server.accept()
            expect(ours.recv(9), b"hello", "what the program sent")
            ours.sendall(b"abcd" + b"-" * 100000)
            bench.await_line("ready")
            bench.run("checkpoint", str(bench.process.pid), "-o", str(bench.image), status=3)
            bench.checkpoint("--tcp-close")
            ours.close()
        bench.go()
        bench.restore()
        expect(bench.lines()[1:], ["b'abcd' 100000 127.0.0.1", "ConnectionResetError"], "the restored program's lines")


SERVER = PRELUDE + """
l = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(l.getsockname()); d, _ = l.accept()
print("port", l.getsockname()[1])
c.send(b"abcd")
ready()
print(d.recv(4), [c.send(b"ef"), d.recv(4)], c.getsockname() == d.getpeername(), d.getsockname() == c.getpeername())
"""
SAID = "b'abcd' [2, b'ef'] True True"


def strangers(bench):
    """The moment that the restored server listens, others connect: they get no end that was somebody's."""
    bench.python(SERVER)
    bench.await_line("ready")
    port = int(bench.lines()[0].split()[1])
    done = threading.Event()

    def connect():
        while not done.is_set():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()

    bench.checkpoint()
    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        bench.go()
        bench.restore()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    expect(bench.lines()[-1], SAID, "what the connection was after the restore")


def at_once_again(bench):
    """Killed by another than the checkpoint, which leaves its connections behind for a minute; and again."""
    bench.python(SERVER)
    bench.await_line("ready")
    bench.checkpoint("--files", "rewind", leave="running")
    os.kill(bench.process.pid, signal.SIGKILL)
    bench.process.wait(timeout=20)
    bench.go()
    for _ in range(3):
        bench.restore()
        expect(bench.lines()[-1], SAID, "what the connection was after the restore")


def in_use(bench):
    """Two restores at once of what listens: the second is refused, by the address, and leaves nothing."""
    bench.python(SERVER)
    bench.await_line("ready")
    port = bench.lines()[0].split()[1]
    bench.run("checkpoint", str(bench.process.pid), "-o", str(bench.image), "--no-fsync")
    said = bench.restore("--pid", "new", status=125).stderr
    if f"127.0.0.1:{port}" not in said:
        raise Failure(f"what was refused isn't named in: {said}")
    bench.go()
    expect(bench.process.wait(timeout=60), 0, "the first one's end")
    expect(bench.lines()[-1], SAID, "the first one's connection")


def tables():
    """Those of nftables that retake has made."""
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"retake_\w+", listed)


@contextlib.contextmanager
def network_of_its_own():
    """Whose tables of nftables nobody else sees, and of which none is left."""
    CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise Failure("no network namespace: " + os.strerror(ctypes.get_errno()))
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    yield
    expect(tables(), [], "the tables of nftables that are left")


CLIENT = PRELUDE + """
import select
s = socket.socket(int(sys.argv[1])); s.connect((sys.argv[2], int(sys.argv[3])))
s.send(b"hello")
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while select.select([s], [], [], 0)[0] == []: pass
s.setblocking(False)
queued = 0
if sys.argv[4] == "full":
    for n in range(1 << 30):
        try: queued += s.send(n.to_bytes(4, "little") * 4096)
        except BlockingIOError: break
s.setblocking(True)
print("queued", queued)
ready()
got = b""
while len(got) < 9: got += s.recv(9 - len(got))
print(got, s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), s.getpeername()[0])
s.sendall(b"goodbye")
print(s.recv(100))
"""


def elsewhere(bench):
    """A connection with a process outside of the tree goes on, nothing lost of what was under way in both directions."""
    if not is_root():
        with socket.create_server(("127.0.0.1", 0)) as server:
            bench.start("/usr/bin/python3", "-u", "-c", CLIENT, "2", *map(str, server.getsockname()), "empty")
            ours, _ = server.accept()
            ours.send(b"abcd")
            bench.await_line("ready")
            said = bench.run("checkpoint", str(bench.process.pid), "--check", "--leave", "killed", status=3).stdout
            expect("CAP_NET_ADMIN" in said, True, f"that it says what it takes: {said}")
            bench.process.kill()
            bench.process.wait()
        return
    need("nft")
    for family, address, room in ((socket.AF_INET, "127.0.0.1", "empty"), (socket.AF_INET6, "::1", "full")):
        with network_of_its_own(), socket.create_server((address, 0), family=family) as server:
            bench.start("/usr/bin/python3", "-u", "-c", CLIENT, str(int(family)), address, str(server.getsockname()[1]), room)
            ours, _ = server.accept()
            expect(ours.recv(5), b"hello", "what the program sent")
            ours.send(b"abcd")
            bench.await_line("ready")
            pid = str(bench.process.pid)
            said = bench.run("checkpoint", pid, "--check", status=3).stdout
            expect("--leave killed" in said, True, f"that it says how it is kept: {said}")
            bench.run("checkpoint", pid, "--check", "--leave", "killed")
            expect(tables(), [], "the tables that a check leaves")
            bench.checkpoint()
            expect(tables()[0] in bench.run("inspect", str(bench.image)).stdout, True, "that inspect names the table")
            ours.send(b"later")
            time.sleep(0.3)
            bench.go()
            restored = subprocess.Popen([bench.retake, "restore", str(bench.image)], cwd=bench.place.work,
                                        env=bench.place.environment())
            queued = int(bench.lines()[0].split()[1])
            ours.settimeout(60 * engine.SLOWNESS)
            whole = b"".join(n.to_bytes(4, "little") * 4096 for n in range(queued // 16384 + 1))[:queued] + b"goodbye"
            got = b""
            while len(got) < len(whole):
                got += ours.recv(1 << 16)
            expect(engine.difference(got, whole), len(whole), f"from which byte on of {len(whole)} another came")
            ours.send(b"the end")
            expect(restored.wait(timeout=60 * engine.SLOWNESS), 0, "its exit status")
            expect(bench.lines()[2:], [f"b'abcdlater' 1 {address}", "b'the end'"], "what it said then")


RECEIVER = PRELUDE + """
sockets = [socket.socket(family, socket.SOCK_DGRAM) for family in (socket.AF_INET, socket.AF_INET6)]
for s, host in zip(sockets, ("127.0.0.1", "::")): s.bind((host, 0))
print(*[s.getsockname()[1] for s in sockets])
while not os.path.exists("sent"): time.sleep(0.01)
ready()
for s in sockets:
    s.setblocking(False)
    while True:
        try: data, who = s.recvfrom(99)
        except BlockingIOError: break
        print(data.decode(), *who[:2])
"""


def datagrams_from_elsewhere(bench):
    """Datagrams that wait come from where they came, though who sent them lives, or isn't of this machine."""
    with contextlib.ExitStack() as open_ones:
        def sender(family, host):
            one = open_ones.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            if host not in ("127.0.0.1", "::1"):
                # IP_TRANSPARENT, IPV6_TRANSPARENT
                one.setsockopt(*((socket.SOL_IP, 19) if family == socket.AF_INET else (41, 75)), 1)
            one.bind((host, 0))
            return one

        bench.python(RECEIVER)
        wait_until("the ports", lambda: bench.text().endswith("\n"))
        ports = bench.lines()[0].split()
        hosts = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
        if is_root():
            hosts += [(socket.AF_INET, "192.0.2.7"), (socket.AF_INET6, "2001:db8::7")]
        said = {}
        for number, (family, host) in enumerate(hosts):
            one = sender(family, host)
            v4 = family == socket.AF_INET
            one.sendto(b"datagram %d" % number, ("127.0.0.1" if v4 else "::1", int(ports[0 if v4 else 1])))
            said.setdefault(family, []).append(f"datagram {number} {host} {one.getsockname()[1]}")
        (bench.place.work / "sent").touch()
        bench.await_line("ready")
        bench.checkpoint()
        bench.go()
        if not is_root():
            failed = bench.restore(status=125).stderr
            expect("without CAP_NET_RAW" in failed, True, f"that it says what it takes: {failed}")
            open_ones.close()
        else:
            need("nft")
            with network_of_its_own():
                subprocess.run(["nft", "table inet wall { chain c { type filter hook input priority 0; udp dport "
                                f"{ports[1]} drop; }}; }}"], check=True)
                failed = bench.restore(status=125).stderr
                subprocess.run(["nft", "delete table inet wall"], check=True)
            expect("a firewall" in failed, True, f"that it says that not all of them came: {failed}")
        bench.restore()
    expect(bench.lines()[2:], said[socket.AF_INET] + said[socket.AF_INET6], "what had waited")


TALKER = PRELUDE + """
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("ready")
for n in range(1 << 30):
    s.sendall(n.to_bytes(8, "little"))
    got = s.recv(8)
    if not got: break
    assert got == n.to_bytes(8, "little"), (n, got)
"""


def elsewhere_killed(bench):
    """A checkpoint that is killed at any moment leaves the program talking with who is elsewhere, or lets it be restored."""
    if not is_root():
        return
    need("nft")
    choice = random.Random(SEED)
    done, taken = 0, 0

    def echo(ours):
        nonlocal done
        with contextlib.suppress(OSError):
            while data := ours.recv(8):
                ours.sendall(data)
                done += 1

    with network_of_its_own(), socket.create_server(("127.0.0.1", 0)) as server:
        pid = bench.start("/usr/bin/python3", "-u", "-c", TALKER, str(server.getsockname()[1]))
        ours, _ = server.accept()
        thread = threading.Thread(target=echo, args=(ours,))
        thread.start()
        bench.await_line("ready")
        for _ in range(engine.times(16, 4)):
            command = [bench.retake, "checkpoint", str(pid), "-o", str(bench.image), "--leave", "killed", "--no-fsync",
                       "--files", "rewind"]
            begun = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(choice.random() * 0.08 * engine.SLOWNESS)
            begun.kill()
            begun.wait()
            time.sleep(0.02)  # a SIGKILL may be under way
            if is_gone(pid):
                bench.process.poll()
                engine.Reaper().poll()  # it was restored before
                taken += 1
                bench.run("restore", "--detach", str(bench.image))
            bench.image.unlink(missing_ok=True)
            before = done
            wait_until("more of the conversation", lambda: done > before + 10, show=bench.text)
        os.kill(pid, signal.SIGKILL)
        wait_until("the program's end", lambda: is_gone(pid))
        engine.kill_descendants()
        with contextlib.suppress(OSError):  # it may have been reset
            ours.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=60)
        wait_until("the end of the tables", lambda: not tables())
    print(f"taken {taken} times")
