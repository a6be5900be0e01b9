"""C06: memory that a restored program gets while it runs already (snapshot/pager.h), as root: others get it before."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import engine
from checkpoint_bench import PRELUDE, expect, wait_until
from engine import Failure

# Pages that say where they are, in two mappings. (On a slow machine of an eighth of the size.)
LARGE = PRELUDE + """
import zlib
libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
MB = 1 << 20
def page(at): return (at * 2654435761 % (1 << 32)).to_bytes(4, "little") * 1024
def fill(start, megabytes):
    view = (ctypes.c_char * (megabytes * MB)).from_address(start)
    for at in range(0, megabytes * MB, 4096): view[at:at + 4096] = page(at)
def map(megabytes):
    start = libc.mmap(None, (megabytes + 1) * MB, 3, 0x22, -1, 0)
    fill(start, megabytes)
    return start  # a megabyte more, which was never touched
def read(start, at, size): return ctypes.string_at(start + at, size)
def right(start, first, last): return all(read(start, at, 4096) == page(at) for at in range(first, last, 4096))
a, b = map(96), map(48)
""".replace("MB = 1 << 20", "MB = 1 << 17" if engine.SLOWNESS > 1 else "MB = 1 << 20")

CHANGES = LARGE + """
ready()
def child(what):
    r, w = os.pipe()
    if os.fork() == 0:
        os.write(w, repr(what()).encode()); os._exit(0)
    os.close(w); said = os.read(r, 99).decode(); os.close(r); os.wait()
    return said
# Children made before all is there, one of them by another one.
print(child(lambda: right(a, 80 * MB, 96 * MB)), child(lambda: child(lambda: right(b, 40 * MB, 48 * MB))))
# System calls that read it, and that write to it.
f = os.open("file", os.O_RDWR | os.O_CREAT)
print(libc.write(f, ctypes.c_void_p(a + 70 * MB), 8192), os.pread(f, 8192, 0) == page(70 * MB) + page(70 * MB + 4096))
print(libc.pread(f, ctypes.c_void_p(a + 72 * MB + 100), 200, 0), read(a, 72 * MB, 300) == page(72 * MB)[:100] + page(70 * MB)[:200])
# What it gives back is gone; what it moves is there.
print(libc.madvise(b + 30 * MB, 4 * MB, 4), read(b, 30 * MB, 4 * MB) == bytes(4 * MB))
moved = libc.mremap(b, 20 * MB, 24 * MB, 1)
print(right(moved, 0, 20 * MB), read(moved, 20 * MB, 4 * MB) == bytes(4 * MB), moved != b)
print(libc.munmap(a + 64 * MB, 4 * MB), libc.mmap(a + 64 * MB, 4 * MB, 3, 0x32, -1, 0) == a + 64 * MB, read(a, 64 * MB, 4 * MB) == bytes(4 * MB))
print(libc.mprotect(ctypes.c_void_p(a + 50 * MB), 4 * MB, 1), right(a, 49 * MB, 55 * MB))
print(child(lambda: (right(a, 0, 64 * MB), right(moved, 0, 20 * MB), right(b, 20 * MB, 30 * MB), read(b, 30 * MB, 4 * MB) == bytes(4 * MB))))
print(right(a, 0, 64 * MB), right(a, 73 * MB, 96 * MB), right(b, 34 * MB, 48 * MB), read(a, 96 * MB, MB) == bytes(MB), read(b, 48 * MB, MB) == bytes(MB))
"""


def comes_later(bench):
    """Whatever it does to its memory meanwhile, it finds what there was."""
    bench.python(CHANGES)
    bench.await_line("ready", 120)
    bench.around()
    expect(bench.lines()[1:],
           ["True 'True'", "8192 True", "200 True", "0 True", "True True True", "0 True True", "0 True", "(True, True, True, True)",
            "True True True True True"], "what it found")


def servers():
    """Processes below this one that hold a userfaultfd."""
    found = []
    for pid in engine.descendants():
        with contextlib.suppress(OSError):
            if any(os.readlink(fd) == "anon_inode:[userfaultfd]" for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir()):
                found.append(pid)
    return found


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


SUM = LARGE.replace("map(96), map(48)", "map(300), map(48)") + """
ready()
print("sum", right(a, 0, 300 * MB))
"""


def server_killed(bench):
    """If what brings its memory is killed, the program is ended with a sentence: it never sees zeros instead."""
    if os.geteuid() != 0:
        return
    bench.python(SUM)
    bench.await_line("ready", 120)
    bench.checkpoint()
    bench.go()
    with subprocess.Popen([bench.retake, "restore", str(bench.image)], cwd=bench.place.work, env=bench.place.environment(),
                          stderr=subprocess.PIPE, text=True) as restored:
        def server():
            return [pid for pid in servers() if parent_of(pid) in servers()]
        found = wait_until("a process that brings memory", server)
        os.kill(found[0], signal.SIGKILL)
        said = restored.stderr.read()
        status = restored.wait(timeout=60)
        # Before the program was let go it is the restore that fails.
        if status not in (-signal.SIGKILL, 125):
            raise Failure(f"the program ended with {status}")
    if "memory" not in said or "retake: failed: " not in said:
        raise Failure(f"what happened isn't said in: {said}")
    if any(line.startswith("sum") for line in bench.lines()):
        raise Failure(f"the program went on: {bench.lines()[-1]}")
    # And if nothing is killed, nothing is left once all is there.
    bench.image.unlink()
    bench.python(SUM)
    bench.await_line("ready", 120)
    bench.checkpoint()
    bench.go()
    bench.restore()
    expect(bench.lines()[-1], "sum True", "the undisturbed memory")
    wait_until("the end of the processes that bring memory", lambda: not servers())


def checkpoint_meanwhile(bench):
    """A checkpoint of a program whose memory isn't all there yet waits for it."""
    bench.python(SUM)
    bench.await_line("ready", 120)
    bench.checkpoint()
    root = int(bench.run("restore", "--detach", *(["--pid", "new"] if bench.new_pids else []), str(bench.image)).stdout)
    again = bench.image.with_name("again")
    bench.run("checkpoint", str(root), "-o", str(again), "--leave", "killed", "--no-fsync")
    time.sleep(0.1)
    engine.Reaper().poll()
    bench.image = again
    bench.go()
    bench.restore()
    expect(bench.lines()[-1], "sum True", "the memory of the second checkpoint")
