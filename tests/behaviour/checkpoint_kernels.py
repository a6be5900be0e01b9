"""Checkpoints restored on a kernel that has another vDSO: images altered so that they seem to come from one."""

import ctypes
import os
import pathlib
import subprocess

import engine
from checkpoint_bench import expect, is_root
from engine import Failure

# Threads and a child that ask for the time all along, by functions that they found before.
PROGRAM = """
import os, resource, threading, time
def check():
    asked = 0
    before = time.monotonic()
    while not os.path.exists("go"):
        for _ in range(50):
            now = time.monotonic()
            assert before <= now < before + 3600, (before, now)
            before = now
            asked += 1
        time.sleep(0.001)
    assert abs(time.time() - os.stat("go").st_mtime) < 60
    assert abs(time.clock_gettime(time.CLOCK_REALTIME_COARSE) - time.time()) < 60 if hasattr(time, "CLOCK_REALTIME_COARSE") else True
    assert time.get_clock_info("monotonic").resolution > 0
    return asked
threads = [threading.Thread(target=check) for _ in range(3)]
for thread in threads: thread.start()
child = os.fork()
if child == 0:
    check()
    os.execv("/usr/bin/python3", ["python3", "-c", "import time; assert time.time() > 1.6e9; print('another program')"])
print("ready")
check()
for thread in threads: thread.join()
print("status", os.wait()[1])
# What isn't in the vDSO is a call, and time that passes in the kernel.
uptime = float(open("/proc/uptime").read().split()[0])
assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - uptime) < 5
print("ended")
"""


def altered(bench, what):
    other = bench.place.root / "altered"
    other.unlink(missing_ok=True)
    subprocess.run([bench.tools / "edit_checkpoint", str(bench.image), str(other), what], check=True)
    return other


def another_vdso(bench):
    bench.python(PROGRAM)
    bench.await_line("ready")
    bench.checkpoint()
    output = bench.output.read_bytes()
    new_pids = ["--pid", "new"] if bench.new_pids else []
    for what in ("vdso", "layout", "inside"):
        other = altered(bench, what)
        bench.output.write_bytes(output)
        (bench.place.work / "go").unlink(missing_ok=True)
        if what == "inside":
            said = bench.run("restore", str(other), *new_pids, status=125).stderr
            if "within a function of that kernel's vDSO" not in said:
                raise Failure(f"it said: {said}")
            continue
        images = [other]
        if os.geteuid() == 0:
            # Once more: a checkpoint of what was restored, which has two vDSOs.
            pid = int(bench.run("restore", "--detach", "--pid", "new", str(other)).stdout)
            images.append(bench.place.root / "again")
            bench.run("checkpoint", str(pid), "-o", str(images[-1]), "--leave", "killed", "--no-fsync")
        bench.go()
        for image in images:
            bench.output.write_bytes(output)
            bench.run("restore", str(image), *new_pids)
            expect(sorted(bench.lines()), sorted(["ready", "another program", "status 0", "ended"]), f"what it said ({what})")


# Remembers times on the clocks that count from the machine's start, and sleeps until some. On top of what passes, they may
# have gone on by `jump` seconds when it is restored.
CLOCKS = """
import ctypes, os, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]
def clock_sleep(until):
    wanted = Timespec(int(until), int(until % 1 * 1e9))
    while libc.clock_nanosleep(time.CLOCK_MONOTONIC, 1, ctypes.byref(wanted), None): pass
def now(): return time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
before = now()
if has_timer:
    timer = libc.timerfd_create(time.CLOCK_BOOTTIME, 0)
    at = before[2] + 6
    assert libc.timerfd_settime(timer, 1, struct.pack("qqqq", 0, 0, int(at), int(at % 1 * 1e9)), None) == 0
slept = []
def sleep():
    clock_sleep(before[1] + 6)
    slept.append(time.time() - before[0])
thread = threading.Thread(target=sleep)
thread.start()
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
jump = float(open("go").read())
after = now()
passed = after[0] - before[0]
for name, a, b in (("monotonic", before[1], after[1]), ("boottime", before[2], after[2])):
    print(name, "right" if abs(b - a - passed - jump) < 0.5 else (a, b, passed, jump))
uptime = float(open("/proc/uptime").read().split()[0])
print("uptime", "right" if abs(uptime - after[2]) < 5 else (uptime, after))
if jump == 0:
    thread.join()
    print("slept", "right" if 5.9 < slept[0] < 9 else slept)
    if has_timer: os.read(timer, 8)
    if has_timer: print("timer", "right" if 5.9 < time.time() - before[0] < 9 else time.time() - before[0])
os._exit(0)
"""
DAYS_1000 = 1000 * 86_400


def enter_clocks():
    """This process's clocks that count from the machine's start are on by a thousand days from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_time = 0x80  # CLONE_NEWTIME
    if libc.unshare(new_time) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    pathlib.Path("/proc/self/timens_offsets").write_text(f"monotonic {DAYS_1000} 0\nboottime {DAYS_1000} 0\n")
    with open("/proc/self/ns/time_for_children", "rb") as space:
        if libc.setns(space.fileno(), new_time) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def clocks_after_reboot(bench):
    """After a reboot, or on another machine, the clocks that count from its start go on; or it is said that they don't."""
    confined = bench.new_pids  # a container lets nobody ask for a timerfd's expirations
    new_pids = ["--pid", "new"] if confined else []
    jumped = ["ready", "monotonic right", "boottime right", "uptime right"]
    slept = ["slept right"] + ["timer right"] * (not confined)
    bench.python(f"has_timer = {not confined}\n{CLOCKS}")
    bench.await_line("ready")
    bench.checkpoint()
    (bench.place.work / "go").write_text("0" if confined else str(DAYS_1000))
    note = bench.run("restore", str(altered(bench, "uptime")), *new_pids).stderr
    if confined:
        if "start go back by 864" not in note or "can't make a time namespace" not in note:
            raise Failure(f"it said {note!r}")
    else:
        expect(note, "", "what it said")
    expect(bench.lines(), jumped + slept * confined, "what the program said")
    if confined or not is_root():
        return

    # One that sees other clocks than this machine's: restored on the same run of it, and on what seems another one.
    bench.python(f"has_timer = True\n{CLOCKS}", preexec_fn=enter_clocks)
    bench.await_line("ready")
    bench.checkpoint()
    (bench.place.work / "go").write_text("0")
    restored = []
    for image in (bench.image, altered(bench, "boot")):
        output = bench.place.root / f"output of {image.name}"
        output.touch()
        command = [bench.retake, "restore", "--pid", "new", "--replace-fd", f"1={output}", str(image)]
        restored.append((output, subprocess.Popen(command, env=bench.place.environment(), stderr=subprocess.PIPE, text=True)))
    for output, process in restored:
        _, note = process.communicate(timeout=60 * engine.SLOWNESS)
        expect((process.returncode, note), (0, ""), "the restore's end, and what it said")
        expect(output.read_text().splitlines(), jumped[1:] + slept, "what the program said")
