#!/usr/bin/env python3
"""Whole programs, side by side: native, retake record, retake replay, and, where installed and working
here, strace -f, rr and gdb.

The ways to run take turns on each program (so that a machine that gets busier hits them alike), each
is run --runs times, and the median counts. Prints a table of milliseconds and of ratios to native,
and writes JSON. Exits 1 with --bars if a bar of the issue is missed.
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

BARS = {
    # program: (way, "added" milliseconds or "times" native, limit)
    "true": [("record", "added", 3), ("replay", "added", 4)],
    "ls -la, 1,500 files": [("record", "times", 12), ("replay", "times", 9)],
}
EVERYTHING_ELSE = 15  # times native, to record and to replay, but for the loop of small calls


class Programs:
    """The fixed list: name, how to prepare, command."""

    def __init__(self, root, small_calls):
        self.root = root
        self.small_calls = small_calls

    def shell(self, text):
        subprocess.run(["bash", "-ec", text], cwd=self.root, check=True, stdout=subprocess.DEVNULL)

    def prepare(self):
        self.shell("mkdir -p many && cd many && for i in $(seq 1500); do : > file_$i; done")
        self.shell("seq 1 8000000 | head -c 50000000 > fifty_megabytes")
        if shutil.which("git"):
            self.shell("""mkdir repo && cd repo && git init -q && for d in $(seq 50); do mkdir d$d;
              for f in $(seq 100); do echo $d $f > d$d/f$f; done; done
              git add . && git -c user.name=n -c user.email=e@x commit -qm all""")
        self.shell("""mkdir project && cd project && for i in $(seq 40); do
          printf '#include <stdio.h>\\n#include <stdlib.h>\\nint f%d(int x) { return x * %d + rand(); }\\n' $i $i > f$i.c; done
          printf 'OBJS := $(patsubst %%.c,%%.o,$(wildcard *.c))\\nall: $(OBJS)\\n%%.o: %%.c\\n\\tgcc -c $<\\n' > Makefile""")
        self.shell("for i in $(seq 200); do echo /bin/true; done > two_hundred.sh")

    def list(self):
        yield "true", ["/bin/true"], None
        yield "ls -la, 1,500 files", ["ls", "-la", "many"], None
        yield "python3 print(1)", ["/usr/bin/python3", "-c", "print(1)"], None
        yield "gzip 50 MB", ["gzip", "-1", "-k", "-f", "fifty_megabytes"], None
        yield "git status, 5,000 files", ["git", "-c", "core.preloadIndex=false", "-C", "repo", "status", "--short"], None
        yield "gcc -c", ["gcc", "-c", "project/f1.c", "-o", "one.o"], None
        yield "make -j2, 40 files", ["make", "-s", "-j2", "-C", "project"], "rm -f project/*.o"
        yield "300,000 small calls", [self.small_calls, "300000"], None
        yield "bash, 200 programs", ["bash", "two_hundred.sh"], None


class Ways:
    """The ways to run a command; each says whether it works here."""

    def __init__(self, retake, root):
        self.retake = retake
        self.root = root
        self.recordings = 0
        self.trace = str(root / "trace")
        self.rr_trace = str(root / "rr")

    def command(self, way, command):
        return {
            "native": command,
            "record": [self.retake, "record", "--wait", "-o", self.trace, "--", *command],
            "replay": [self.retake, "replay", self.trace],
            "strace -f": ["strace", "-f", "-o", str(self.root / "strace.out"), *command],
            "rr record": ["rr", "record", "-o", self.rr_trace, *command],
            "rr replay": ["rr", "replay", "-a", self.rr_trace],
            "gdb": ["gdb", "-nx", "-batch", "-ex", "run", "-ex", "quit", "--args", *command],
        }[way]

    def clean(self, way):
        if way == "record":  # traces stay to the end: file systems make files slower where many were deleted just now
            self.recordings += 1
            self.trace = str(self.root / f"trace-{self.recordings}")
        if way == "rr record":
            shutil.rmtree(self.rr_trace, ignore_errors=True)

    def available(self, wanted):
        for way in ("native", "record", "replay", "strace -f", "rr record", "rr replay", "gdb"):
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


def compare(programs, ways, root, runs, only, timeout):
    env = {**os.environ, "RETAKE_DIR": str(root / "store"), "XDG_CACHE_HOME": str(root / "cache"), "LC_ALL": "C"}
    names = list(ways.available(None)) if not only["ways"] else list(ways.available(only["ways"]))
    results = {}
    for program, command, before in programs.list():
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


def missed_bars(results):
    for program, result in results.items():
        native = result["native"]["median"]
        bars = BARS.get(program)
        if bars is None:
            if program == "300,000 small calls":
                continue
            bars = [(way, "times", EVERYTHING_ELSE) for way in ("record", "replay")]
        for way, kind, limit in bars:
            median = result.get(way, {}).get("median")
            if median is None:
                yield f"{program}: {way} failed: {result.get(way, {}).get('note')}"
                continue
            value = median - native if kind == "added" else median / native
            if value > limit:
                yield f"{program}: {way} {kind} {value:.1f}, the bar is {limit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--retake", required=True)
    parser.add_argument("--small-calls", required=True, help="the small_calls program of this directory's build")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--timeout", type=int, default=120, help="seconds for one run")
    parser.add_argument("--json", help="where to write all figures")
    parser.add_argument("--bars", action="store_true", help="exit 1 if a bar is missed")
    parser.add_argument("--programs", nargs="*", help="only programs whose name contains one of these")
    parser.add_argument("--ways", nargs="*", help="only these ways (native is needed for ratios)")
    args = parser.parse_args()
    root = pathlib.Path(tempfile.mkdtemp(prefix="retake-bench-"))
    try:
        programs = Programs(root, os.path.abspath(args.small_calls))
        programs.prepare()
        ways = Ways(os.path.abspath(args.retake), root)
        names, results = compare(programs, ways, root, args.runs, {"ways": args.ways, "programs": args.programs},
                                 args.timeout)
        print()
        print(f"{'milliseconds, median of ' + str(args.runs):25}" + " ".join(f"{name:>18}" for name in names))
        for program, result in results.items():
            print(row(program, result, names))
        for program, result in results.items():
            for way in names:
                if result[way]["note"]:
                    print(f"{program}, {way}: {result[way]['note']}")
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(
                {"cpus": os.cpu_count(), "kernel": os.uname().release, "runs": args.runs, "programs": results},
                indent=1))
        missed = list(missed_bars(results))
        for line in missed:
            print("missed:", line)
        sys.exit(1 if args.bars and missed else 0)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
