#!/usr/bin/env python3
"""Checkpoints and restores of six processes: how long they stand still, how long the command takes until
the file has its name, the file's size, and how long a restore takes until the program runs.

The processes take turns, each is measured --runs times, and the median counts. Prints a table, beside
each figure its bar, and writes JSON. Exits 1 with --bars if one is missed. Where a criu is installed that
works, what it takes comes below.
"""

import argparse
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

FIGURES = ("pause", "checkpoint", "image", "restore", "restore, uncompressed")

# Bars: milliseconds, and MB for the image; None: there is none.
SUBJECTS = {
    "1 GiB, half random": (["GUEST", "1024"], (25, 450, 540, 500, 12)),
    "python3, 500 MB": (["python3", "-c", "b = bytearray(b'x') * 500_000_000\nWAIT"], (15, 150, 2, 200, 12)),
    "python3, idle": (["python3", "-c", "WAIT"], (4, 14, 0.8, 12, 12)),
    "small static program": (["GUEST", "0"], (2, 8, 0.03, 7, 7)),
    "16 threads": (["GUEST", "0", "15"], (5, 15, 0.06, 12, 12)),
    "5 processes, pipes": (["GUEST", "0", "0", "4"], (8, 20, 0.1, 14, 14)),
}


def start(command, guest, place):
    command = [guest if word == "GUEST" else word.replace("WAIT", "print('ready', flush=True)\nimport time\ntime.sleep(10000)")
               for word in command]
    if command[0] == "python3":
        command[0] = "/usr/bin/python3"
    out = place / "out"
    with open(out, "wb") as file:
        process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    while b"ready" not in out.read_bytes():
        time.sleep(0.01)
    return process


def timed(command):
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    took = (time.perf_counter() - begin) * 1000
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return took, done.stdout


def measure(retake, process, place):
    image = place / "image"
    took, said = timed([retake, "checkpoint", str(process.pid), "-o", str(image), "--no-fsync"])
    figures = {"checkpoint": took, "pause": float(re.search(r"still for ([0-9.]+) ms", said)[1]),
               "image": image.stat().st_size / 1e6}
    figures["restore"] = restore(retake, image)
    timed([retake, "checkpoint", str(process.pid), "-o", str(image), "--no-fsync", "--compress", "none"])
    figures["restore, uncompressed"] = restore(retake, image)
    image.unlink()
    return figures


def restore(retake, image):
    took, said = timed([retake, "restore", "--detach", "--pid", "new", str(image)])
    kill_tree(int(said))
    return took


def why_no_criu():
    if not shutil.which("criu"):
        return "none is installed"
    check = subprocess.run(["criu", "check"], capture_output=True, text=True, check=False)
    return "" if check.returncode == 0 else f"it doesn't work here: {check.stderr.strip().splitlines()[-1]}"


def measure_criu(process, place):
    """The process goes on as the restored one, which has its pid."""
    images = place / "criu"
    images.mkdir()
    took, _ = timed(["criu", "dump", "-t", str(process.pid), "-D", str(images), "--leave-running"])
    figures = {"checkpoint": took, "image": sum(file.stat().st_size for file in images.iterdir()) / 1e6}
    kill_tree(process.pid)
    # Who isn't waited for has its pid still.
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    figures["restore"], _ = timed(["criu", "restore", "-D", str(images), "-d"])
    shutil.rmtree(images)
    return figures


def kill_tree(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        kill_tree(int(child))
    os.kill(pid, signal.SIGKILL)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retake", default="build/release/retake")
    parser.add_argument("--guest", default="build/release/bench/checkpoint_guest")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there")
    parser.add_argument("--bars", action="store_true", help="exit 1 if a bar is missed")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
    retake, guest = os.path.abspath(options.retake), os.path.abspath(options.guest)
    found = {name: {figure: [] for figure in FIGURES} for name in SUBJECTS}
    with tempfile.TemporaryDirectory(prefix="retake-bench-") as root:
        processes = {}
        for name, (command, _) in SUBJECTS.items():
            place = pathlib.Path(root) / re.sub(r"\W+", "_", name)
            place.mkdir()
            processes[name] = (start(command, guest, place), place)
        try:
            for _ in range(options.runs):
                for name, (process, place) in processes.items():
                    for figure, value in measure(retake, process, place).items():
                        found[name][figure].append(value)
        finally:
            for process, _ in processes.values():
                kill_tree(process.pid)
        no_criu = why_no_criu()
        for name, (command, _) in {} if no_criu else SUBJECTS.items():
            place = processes[name][1]
            process = start(command, guest, place)
            try:
                for _ in range(options.runs):
                    for figure, value in measure_criu(process, place).items():
                        found[name].setdefault(f"criu {figure}", []).append(value)
            finally:
                kill_tree(process.pid)
    missed = 0
    print(f"{'':22}" + "".join(f"{figure:>24}" for figure in FIGURES))
    for name, (_, bars) in SUBJECTS.items():
        cells = ""
        for figure, bar in zip(FIGURES, bars):
            median = statistics.median(found[name][figure])
            unit = "MB" if figure == "image" else "ms"
            missed += median > bar
            cells += f"{f'{median:.3g} {unit} ({bar:g}{chr(33) if median > bar else chr(32)})':>24}"
        print(f"{name:22}{cells}")
    if no_criu:
        print(f"criu: {no_criu}")
    else:
        print("\ncriu" + " " * 42 + "".join(f"{figure:>24}" for figure in FIGURES[1:4]))
        for name, figures in found.items():
            medians = [f"{statistics.median(figures[f'criu {figure}']):.3g}" for figure in FIGURES[1:4]]
            print(f"{name:46}" + "".join(f"{median:>24}" for median in medians))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 1 if options.bars and missed else 0


if __name__ == "__main__":
    sys.exit(main())
