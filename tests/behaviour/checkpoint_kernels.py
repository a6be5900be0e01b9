"""Checkpoints restored on a kernel that has another vDSO: images altered so that they seem to come from one."""

import os
import subprocess

from checkpoint_bench import expect
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


def clocks_that_go_back(bench):
    """After a reboot the machine's own clocks begin anew: that is said."""
    bench.python("""
import os, time
print("ready")
while not os.path.exists("go"): time.sleep(0.01)
print("ended")
""")
    bench.await_line("ready")
    bench.checkpoint()
    output = bench.output.read_bytes()
    bench.go()
    new_pids = ["--pid", "new"] if bench.new_pids else []
    for image, wanted in ((bench.image, False), (altered(bench, "uptime"), True)):
        bench.output.write_bytes(output)
        said = bench.run("restore", str(image), *new_pids).stderr
        expect("start go back by 864" in said, wanted, f"whether it says so; it said {said!r}")
        expect(bench.lines(), ["ready", "ended"], "what the program said")
