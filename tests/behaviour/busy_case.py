"""Guests in all modes beside a machine kept busy (stress-ng --cpu 4): what only works while nobody
else computes shows here.

    busy_case.py --retake RETAKE --guests DIRECTORY --sources DIRECTORY NAME[.CASE]...
"""

import argparse
import os
import shutil
import subprocess
import sys

import engine


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--sources", required=True)
    parser.add_argument("guest", nargs="+")
    args = parser.parse_args()
    if shutil.which("stress-ng") is None:
        sys.exit("stress-ng is not installed")
    # It ends by itself too, should this script be killed.
    load = subprocess.Popen(["stress-ng", "--quiet", "--cpu", "4", "--timeout", str(240 * engine.SLOWNESS)], stdin=subprocess.DEVNULL)
    # On a slow machine, some of them.
    guests = args.guest if engine.SLOWNESS == 1 else args.guest[::5]
    failed = []
    try:
        for guest in guests:
            name, _, case = guest.partition(".")
            command = [sys.executable, os.path.join(os.path.dirname(__file__), "guest_case.py"), "--retake", args.retake,
                       "--guest", os.path.join(args.guests, name), "--source", os.path.join(args.sources, name + ".cc")]
            if case:
                command += ["--case", case]
            if load.poll() is not None:
                sys.exit("stress-ng ended early: the machine was not busy")
            if subprocess.run(command, check=False).returncode != 0:
                failed.append(guest)
    finally:
        load.terminate()
        load.wait(timeout=30)
    if failed:
        sys.exit(f"failed beside a busy machine: {' '.join(failed)}")


if __name__ == "__main__":
    main()
