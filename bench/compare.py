#!/usr/bin/env python3
"""Whole programs, side by side: native, retake record, retake replay, and, where installed and working
here, strace -f, rr and gdb.

The ways to run take turns on each program (so that a machine that gets busier hits them alike), each
is run --runs times, and the median counts. Prints a table of milliseconds and of ratios to native,
and writes JSON. Exits 1 with --bars if a bar (programs.py) is missed.

--set chooses what is run: whole programs; threads, which wait for each other in several ways; or
programs whose processes compute side by side, which are recorded held to one CPU, too.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from programs import SETS, Programs, bars_of

ONE_CPU = "record, one CPU"


class Ways:
    """The ways to run a command; each says whether it works here."""

    def __init__(self, retake, root):
        self.retake = retake
        self.root = root
        self.recordings = 0
        self.trace = str(root / "trace")
        self.rr_trace = str(root / "rr")

    def command(self, way, command):
        record = [self.retake, "record", "--wait", "-o", self.trace, "--", *command]
        return {
            "native": command,
            "record": record,
            ONE_CPU: ["taskset", "-c", "0", *record],
            "replay": [self.retake, "replay", self.trace],
            "strace -f": ["strace", "-f", "-o", str(self.root / "strace.out"), *command],
            "rr record": ["rr", "record", "-o", self.rr_trace, *command],
            "rr replay": ["rr", "replay", "-a", self.rr_trace],
            "gdb": ["gdb", "-nx", "-batch", "-ex", "run", "-ex", "quit", "--args", *command],
        }[way]

    def clean(self, way):
        if way in ("record", ONE_CPU):  # traces stay to the end: file systems make files slower where many were deleted just now
            self.recordings += 1
            self.trace = str(self.root / f"trace-{self.recordings}")
        if way == "rr record":
            shutil.rmtree(self.rr_trace, ignore_errors=True)

    def available(self, kind, wanted):
        others = [ONE_CPU] if kind == "parallel" else ["strace -f", "rr record", "rr replay", "gdb"]
        for way in ["native", "record", "replay", *others]:
            if wanted and way not in wanted:
                continue
            tool = {"strace -f": "strace", "rr record": "rr", "rr replay": "rr", "gdb": "gdb"}.get(way)
            if tool and shutil.which(tool) is None:
                print(f"{way}: not installed", file=sys.stderr)
                continue
            if way in ("strace -f", "rr record", "gdb"):
                self.clean(way)
                done = subprocess.run(self.command(way, ["/bin/true"]), cwd=self.root, check=False, timeout=60,
                                      capture_output=True)
                if done.returncode != 0:
                    words = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
                    print(f"{way}: does not work here: {words[-1] if words else done.returncode}", file=sys.stderr)
                    if way == "rr record":
                        self.no_rr = True
                    continue
            if way == "rr replay" and getattr(self, "no_rr", False):
                continue
            yield way


def measure(command, cwd, env, timeout):
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, check=False, timeout=timeout, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    took = (time.perf_counter() - begin) * 1000
    return took, done.returncode, done.stderr


def compare(kind, programs, ways, root, runs, only, timeout):
    env = {**os.environ, "RETAKE_DIR": str(root / "store"), "XDG_CACHE_HOME": str(root / "cache"), "LC_ALL": "C"}
    names = list(ways.available(kind, only["ways"]))
    results = {}
    programs.prepare(kind)
    for program, command, before in programs.list(kind):
        if only["programs"] and not any(word in program for word in only["programs"]):
            continue
        times = {way: [] for way in names}
        notes = {}
        for _ in range(runs):
            for way in names:
                if way in notes:
                    continue
                if before:
                    programs.shell(before)
                ways.clean(way)
                try:
                    took, status, said = measure(ways.command(way, command), root, env, timeout)
                except subprocess.TimeoutExpired:
                    notes[way] = f"more than {timeout} s"
                    continue
                if status != 0:
                    lines = said.decode(errors="replace").strip().splitlines()
                    notes[way] = lines[-1][:100] if lines else f"status {status}"
                    continue
                times[way].append(took)
        results[program] = {
            way: {"milliseconds": times[way], "median": statistics.median(times[way]) if times[way] else None,
                  "note": notes.get(way)} for way in names
        }
        print(row(program, results[program], names), flush=True)
    return names, results


def row(program, result, names):
    native = (result.get("native") or {}).get("median")
    cells = []
    for way in names:
        median = result[way]["median"]
        if median is None:
            cells.append("failed".rjust(18))
        elif way == "native" or not native:
            cells.append(f"{median:10.1f}        ")
        else:
            cells.append(f"{median:10.1f} {median / native:5.1f} x")
    return f"{program:25}" + " ".join(cells)


def report(names, results, runs):
    print()
    print(f"{'milliseconds, median of ' + str(runs):25}" + " ".join(f"{name:>18}" for name in names))
    for program, result in results.items():
        print(row(program, result, names))
    for program, result in results.items():
        for way in names:
            if result[way]["note"]:
                print(f"{program}, {way}: {result[way]['note']}")


def missed_bars(kind, results):
    for program, result in results.items():
        def median(way, result=result):
            return (result.get(way) or {}).get("median")

        for way, how, limit in bars_of(kind, program):
            took = median(way)
            if took is None:
                yield f"{program}: {way} failed: {result.get(way, {}).get('note')}"
                continue
            base = median(ONE_CPU if how == "times one CPU" else "native")
            value = {"added": took - base, "at most": took}.get(how, took / base)
            if value > limit:
                yield f"{program}: {way} {how} {value:.2f}, the bar is {limit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retake", required=True)
    parser.add_argument("--small-calls", required=True, help="the small_calls program of this directory's build")
    parser.add_argument("--threads", required=True, help="the threads program of this directory's build")
    parser.add_argument("--set", nargs="*", choices=SETS, default=["programs"], help="what is run")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one run")
    parser.add_argument("--json", help="where to write all figures")
    parser.add_argument("--bars", action="store_true", help="exit 1 if a bar is missed")
    parser.add_argument("--programs", nargs="*", help="only programs whose name contains one of these")
    parser.add_argument("--ways", nargs="*", help="only these ways (native is needed for ratios)")
    args = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="retake-bench-"))
    try:
        programs = Programs(root, os.path.abspath(args.small_calls), os.path.abspath(args.threads))
        ways = Ways(os.path.abspath(args.retake), root)
        every, missed = {}, []
        for kind in args.set:
            names, results = compare(kind, programs, ways, root, args.runs,
                                     {"ways": args.ways, "programs": args.programs}, args.timeout)
            report(names, results, args.runs)
            every |= results
            missed += missed_bars(kind, results)
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(
                {"cpus": os.cpu_count(), "kernel": os.uname().release, "runs": args.runs, "programs": every},
                indent=1))
        for line in missed:
            print("missed:", line)
        sys.exit(1 if args.bars and missed else 0)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
