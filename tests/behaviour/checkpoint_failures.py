"""C08 and C09: what would be lost, what fails, and images that are damaged."""

import contextlib
import json
import mmap
import os
import pathlib
import random
import re
import socket
import subprocess
import time

import engine
from checkpoint_bench import PRELUDE, SEED, expect, is_gone, is_root, wait_until
from engine import Failure


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
    # To an ordinary user two things are lost: the filter, and what the thread can't be asked for.
    lost = 0 if is_root() else 2
    check = bench.run("checkpoint", "--check", str(pid), status=3 if lost else 0)
    expect([line.partition(":")[0] for line in check.stdout.splitlines() if "(seccomp)" in line],
           [f"pid {thread} (seccomp)"] * lost, "the losses")
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


def changed_files(bench):
    """A file that was open or mapped is known by what it holds, not by its dates."""
    bench.python("import mmap, os, time\nf = open('open', 'rb'); f.read(3); m = mmap.mmap(os.open('mapped', os.O_RDONLY), 0, mmap.MAP_PRIVATE, mmap.PROT_READ)\n"
                 "print('ready', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint(f.read(), m[:5])\n",
                 before=lambda work: [(work / name).write_bytes(b"hello world " * 1000) for name in ("open", "mapped")])
    bench.await_line("ready")
    bench.checkpoint()
    bench.go()
    for name in ("open", "mapped"):
        path = bench.place.work / name
        before, kept = path.stat(), path.read_bytes()
        # Other bytes, as many, with the old dates.
        path.write_bytes(b"HELLO" + kept[5:])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        done = bench.restore(status=125)
        if f"{name}" not in done.stderr or "has changed" not in done.stderr:
            raise Failure(done.stderr)
        # Another file with the same bytes, of today.
        path.unlink()
        path.write_bytes(kept)
    bench.restore()
    if not bench.lines()[1].endswith(" b'hello'"):
        raise Failure(bench.text())


def restore_killed(bench):
    """Whatever moment a restore is killed at, there is the whole program or nothing."""
    bench.python("import os, threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
                 "pid = os.fork()\nif pid == 0: time.sleep(1000)\nprint('ready', flush=True)\n"
                 "while not os.path.exists('go'): time.sleep(0.01)\n")
    bench.await_line("ready")
    bench.checkpoint()
    reaper = engine.Reaper()
    begin = time.monotonic()
    bench.restore("--detach")
    usual = time.monotonic() - begin
    engine.kill_descendants()
    wait_until("the end of all", lambda: not reaper.poll())
    moments = random.Random(SEED)
    whole = 0
    for _ in range(max(20, 100 // engine.SLOWNESS)):
        command = subprocess.Popen([bench.retake, "restore", str(bench.image)], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        time.sleep(moments.uniform(0, 2 * usual))
        command.kill()
        command.wait()
        # What was let go goes on as an orphan, and so a child of ours, with its own child.
        deadline = time.monotonic() + 20 * engine.SLOWNESS
        while True:
            left = programs_left()
            # In a pid namespace of its own there are the first process and its parent's stand-in, too.
            if left in ([], ["python3"] * 2, ["python3"] * 2 + ["retake-restored", "stand-in"]):
                break
            if time.monotonic() > deadline:
                raise Failure(f"left behind: {left}")
            time.sleep(0.005)
            reaper.poll()
        whole += left != []
        engine.kill_descendants()
        wait_until("the end of all", lambda: not reaper.poll())
    if whole == 0:
        raise Failure("none was restored before it was killed: the moments are too early")


def restore_killed_late(bench):
    """A restore that is killed while it lets a large tree go has let go of all of it."""
    count = 60
    bench.start("/bin/sh", "-c", f"for i in $(seq {count}); do sleep 1000 & done; echo ready; wait")
    bench.await_line("ready")
    bench.checkpoint()
    reaper = engine.Reaper()
    wanted = ["sh"] + ["sleep"] * count
    for _ in range(max(3, 20 // engine.SLOWNESS)):
        command = subprocess.Popen([bench.retake, "restore", str(bench.image)], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60 * engine.SLOWNESS
        # Without a pause: the rest is let go within a millisecond.
        while not has_let_go(command.pid):
            if time.monotonic() > deadline:
                left = "; ".join(map(engine.describe_process, engine.descendants()))
                raise Failure(f"nothing was let go: {left}; the command: {command.poll()}")
        command.kill()
        command.wait()
        wait_until("the whole tree", lambda: [name for name in programs_left() if name not in ("retake-restored", "stand-in")] == wanted, 20,
                   lambda: f"left: {programs_left()}")
        engine.kill_descendants()
        wait_until("the end of all", lambda: not reaper.poll())


def has_let_go(pid):
    """Whether the root of what a process of retake restores runs on its own."""
    with contextlib.suppress(OSError):
        for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            status = pathlib.Path(f"/proc/{child}/status").read_text()
            if "TracerPid:\t0\n" in status and (status.startswith("Name:\tsh\n") or has_let_go(child)):
                return True
    return False


def programs_left():
    """The names of all of our descendants that live."""
    parents, names = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            name, _, rest = (entry / "stat").read_text(errors="replace").rpartition(")")
            if rest.split()[0] not in "ZX":
                parents[int(entry.name)] = int(rest.split()[1])
                names[int(entry.name)] = name.partition("(")[2]
    left = []
    for pid in parents:
        at = parents[pid]
        while at in parents and at != os.getpid():
            at = parents[at]
        if at == os.getpid():
            left.append(names[pid])
    return sorted(left)


def many_times(bench):
    """Checkpoint after checkpoint: no growth and no drift."""
    bench.start(str(bench.tools / "interrupted_calls"))
    bench.await_line("ready")
    status = lambda: [line for line in pathlib.Path(f"/proc/{bench.process.pid}/status").read_text().splitlines()
                      if line.startswith(("VmRSS", "VmData", "VmSize", "Threads", "SigPnd", "SigBlk", "SigIgn", "SigCgt", "ShdPnd"))]
    maps = lambda: pathlib.Path(f"/proc/{bench.process.pid}/maps").read_text()
    bench.checkpoint(leave="running")
    before, mapped, size = status(), maps(), bench.image.stat().st_size
    for _ in range(max(10, (1000 if os.geteuid() == 0 else 200) // engine.SLOWNESS)):
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
    for wanted in (f"process {pid} (python3)", "outside    of the tree: parent", "1 process, 2 tasks", "restores here yes", f"{bench.place.work}/data, at 5",
                   ", 3 bytes in it", f"  task {pid} (python3): ", "(python3): in clock_nanosleep", "[heap]", "libc.so.6", "/usr/bin/python3"):
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


def changed_shared_memory(bench):
    """Shared memory with a name, which leaves no trace of when it was written to: what changed it is found all the same."""
    shared = pathlib.Path(f"/dev/shm/retake-test-{os.getpid()}")
    program = PRELUDE + f"""
f = open("{shared}", "w+b"); f.truncate(4096)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
m = (ctypes.c_char * 4096).from_address(libc.mmap(None, 4096, 3, 1, f.fileno(), 0)); f.close()
m[:4] = b"abcd"
ready()
m[:4] = m[:4].upper(); print(m[:4])
"""
    try:
        for policy in ("fail", "keep"):
            bench.python(program)
            bench.await_line("ready")
            bench.checkpoint("--files", policy)
            with open(shared, "r+b") as file, mmap.mmap(file.fileno(), 4096) as others:
                others[:4] = b"efgh"
            bench.go()
            if policy == "fail":
                said = bench.restore(status=125).stderr
                if f"{shared}, which is mapped, has changed" not in said:
                    raise Failure(f"what has changed isn't named in: {said}")
                with open(shared, "r+b") as file, mmap.mmap(file.fileno(), 4096) as others:
                    others[:4] = b"abcd"
            bench.restore()
            expect(bench.lines()[1:], ["b'ABCD'" if policy == "fail" else "b'EFGH'"], "what it found")
    finally:
        shared.unlink(missing_ok=True)


def restored_at_once(bench):
    """A checkpoint that read from a copy of the memory leaves nothing that has the program's pid for its group."""
    bench.python("""
import os, time
data = bytearray(os.urandom(1 << 20) * 80)
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
print(len(data))
""")
    bench.await_line("ready")
    pid = bench.process.pid
    bench.checkpoint(leave="running")

    def group_of(entry):
        with contextlib.suppress(OSError):
            return int((entry / "stat").read_text().rpartition(")")[2].split()[2])

    members = [entry.name for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and group_of(entry) == pid]
    expect(members, [str(pid)], "the processes of its group")
    bench.process.kill()
    bench.process.wait()
    bench.go()
    bench.restore()
    expect(bench.lines()[-1], str(80 << 20), "the restored one's last line")
