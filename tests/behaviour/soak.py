#!/usr/bin/env python3
"""Records and replays random guests (tests/guests/random_tasks.cc) for as long as one likes.

    soak.py BUILD [--seconds N] [--seed FIRST] [--keep DIRECTORY]

Each seed is recorded and replayed twice: as it is, and as confined as a container would have it, with every optional
kernel feature turned off; with a hash of memory in each event, and without. What differs, hangs or is left behind is
said, its trace is kept, and the exit status is 1.
"""

import argparse
import os
import pathlib
import shutil
import sys
import time

import engine


def attempt(build, seed, confined, hashed, keep):
    """Whether one recording of this seed replays."""
    guest = build / "tests" / "guests" / "random_tasks"
    under = str(build / "tests" / "tools" / "container_like") if confined else None
    os.environ["RETAKE_WITHOUT"] = "all" if confined else ""
    place = engine.Place(f"soak-{seed}")
    modes = None
    try:
        retake, prefix = engine.confined(place, str(build / "retake"), under)
        shutil.copy(guest, place.bin)
        modes = engine.Modes(retake, place, prefix)
        modes.record_flags = ["--check-every", "1"] if hashed else []
        recorded = modes.record([str(place.bin / guest.name), str(seed)])
        if recorded.describe_status() != "exit 0":
            raise engine.Failure(f"record: {recorded.describe_status()}\n{engine.show(recorded.err)}")
        engine.compare(recorded, modes.replay(flags=["--check"]), ("record", "replay"))
    except engine.Failure as failure:
        print(f"FAILED seed {seed}{' confined' if confined else ''}{' hashed' if hashed else ''}: {failure}", flush=True)
        engine.kill_descendants()
        if modes is not None and modes.trace.exists():
            kept = keep / f"seed-{seed}-{time.time_ns()}"
            shutil.copytree(modes.trace, kept)
            print(f"its trace: {kept}", flush=True)
        return False
    finally:
        place.remove()
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns() // 1000 % 1_000_000)
    parser.add_argument("--keep", type=pathlib.Path, default=pathlib.Path("soak-traces"))
    args = parser.parse_args()
    build = args.build.resolve()
    engine.become_subreaper()
    end = time.monotonic() + args.seconds
    made = failed = 0
    seed = args.seed
    while time.monotonic() < end:
        for confined in (False, True):
            made += 1
            failed += not attempt(build, seed, confined, seed % 2 == 0, args.keep.resolve())
        seed += 1
    print(f"soak: {made} recordings of seeds {args.seed} to {seed - 1}, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
