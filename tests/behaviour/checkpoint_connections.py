"""C05: TCP connections, with what is outside of the tree."""

import contextlib
import os
import signal
import socket
import threading

from checkpoint_bench import PRELUDE, expect
from engine import Failure


def closed(bench):
    """--tcp-close: a connection to elsewhere is reset in what is restored, once what had come is read."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        bench.python(PRELUDE + f"""
s = socket.create_connection(("127.0.0.1", {server.getsockname()[1]}))
s.send(b"hello")
ready()
print(s.recv(4), s.getsockname()[0])
try: print(s.recv(4))
except ConnectionError as error: print(type(error).__name__)
""")
        ours, _ = server.accept()
        expect(ours.recv(9), b"hello", "what the program sent")
        ours.send(b"abcd")
        bench.await_line("ready")
        bench.run("checkpoint", str(bench.process.pid), "-o", str(bench.image), status=3)
        bench.checkpoint("--tcp-close")
        ours.close()
    bench.go()
    bench.restore()
    expect(bench.lines()[1:], ["b'abcd' 127.0.0.1", "ConnectionResetError"], "the restored program's lines")


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
