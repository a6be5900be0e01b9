"""The recorder killed at random moments: 50 in all, 25 for each half.

For each: a guest is recorded, its supervisor gets SIGKILL after a random time (seeded, so a failure
can be had again), and then no process of the program's may be left, and the trace must replay up to
its last whole section and say that it ends there: exit 125, the reason on the last line, and of the
recording's output no more than a beginning.
"""

import argparse
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import engine
from engine import Failure

MOMENTS = max(6, 25 // engine.SLOWNESS)
SEED = 20_240_501


def tracer_of(pid):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("TracerPid:"):
                return int(line.split()[1])
    return 0


def wait_until(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.001)
    raise Failure(f"{what}: not within {seconds} s; {[engine.describe_process(p) for p in engine.descendants()]}")


def one(place, retake, guest, number, delay):
    place.fresh_work()
    shutil.copy(guest, place.bin / "guest")
    trace = place.root / "trace"
    shutil.rmtree(trace, ignore_errors=True)
    output = place.root / "output"
    with open(output, "wb") as out:
        process = subprocess.Popen([retake, "record", "-o", str(trace), "--", str(place.bin / "guest")],
                                   cwd=place.work, env=place.environment(), stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=subprocess.DEVNULL)
    reaper = engine.Reaper()
    # The recorder becomes the program: so it is the program's tracer that is the supervisor.
    supervisor = wait_until("a supervisor", lambda: tracer_of(process.pid) or not reaper.poll())
    if supervisor is True:
        raise Failure("the program ended before a supervisor was seen")
    time.sleep(delay)
    with contextlib.suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGKILL)
    wait_until("the end of the program and its children", lambda: not reaper.poll(), 40)
    process.returncode = 0  # reaped above
    status = reaper.statuses[process.pid]
    replayed = engine.run([retake, "replay", str(trace)], place, cwd=place.root / "empty")
    recorded = output.read_bytes()
    where = f"moment {number}, after {delay * 1000:.1f} ms"
    if os.WIFEXITED(status):
        # It was quicker than the kill: then the trace may be whole.
        if replayed.describe_status() == "exit 0" and replayed.out == recorded:
            return "whole"
        # It was killed before it had let the program begin: there is no trace then, and retake says so itself.
        if os.WEXITSTATUS(status) == 125 and not (trace / "manifest").exists():
            return "unbegun"
    if replayed.describe_status() != "exit 125":
        raise Failure(f"{where}: replay gives {replayed.describe_status()}: {engine.show(replayed.err)}")
    last = (replayed.err.strip().splitlines() or [b""])[-1]
    if not last.startswith(b"retake: ") or b"ends here" not in last:
        raise Failure(f"{where}: no word of where it ends: {engine.show(replayed.err)}")
    if not recorded.startswith(replayed.out):
        raise Failure(f"{where}: the replay shows what was not recorded: {engine.show(replayed.out)}")
    return "cut"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--half", type=int, required=True)
    args = parser.parse_args()

    def body(place):
        (place.root / "empty").mkdir()
        generator = random.Random(SEED + args.half)
        results = []
        for number in range(MOMENTS):
            # Most within the run (about 0.6 s), a fifth within its first 10 ms.
            delay = generator.random() * (0.01 if number % 5 == 0 else 0.5)
            results.append(one(place, args.retake, args.guest, number, delay))
        print(f"{results.count('cut')} cut, {results.count('whole')} whole")
        if results.count("cut") < MOMENTS // 2:
            raise Failure("most recordings had ended before they were killed: the test shows nothing")

    engine.main_of_case(f"recorder_killed_{args.half}", body)


if __name__ == "__main__":
    main()
