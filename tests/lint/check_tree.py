#!/usr/bin/env python3
"""Checks that the source tree keeps the rules of the house that a compiler can't.

Each rule is a function that yields (path, line, message). `check_tree.py ROOT` checks the tree at ROOT and exits 1 if
any rule is broken; `check_tree.py ROOT RULE...` checks those rules only. Exceptions are the short tables ALLOWED below,
each with its reason; an exception that nothing needs any more is itself an error. self_test.py shows that each rule
can fail.
"""

import os
import re
import sys

# The rooms, and how high each lies. A file may include what lies lower, and its own room.
ROOMS = [
    # (folder, name in #include, height)
    ("src/base", "base", 0),
    ("arch", "arch", 1),
    ("src/archive", "archive", 2),
    ("src/stub", "stub", 3),
    ("src/tracee", "tracee", 4),
    ("src/syscalls", "syscalls", 5),
    ("src/supervisor", "supervisor", 6),
    ("snapshot", "snapshot", 7),
    ("src/world", "world", 7),
    ("replay", "replay", 7),
    ("src/hunt", "hunt", 8),
    ("src/cli", "cli", 9),
]
# Pairs at one height of which the first may include the second.
SAME_HEIGHT = {("replay", "snapshot")}

SOURCE = (".cc", ".h", ".S", ".inc", ".py")
MAX_LINES = 800

# rule -> {path: reason}
ALLOWED = {
    "architecture": {
        "src/base/syscall.h": "the one place for calls that libc has no wrapper for",
        "src/supervisor/filter.cc": "seccomp(2), which libc has no wrapper for",
        "src/supervisor/notify_channel.cc": "seccomp(2), which libc has no wrapper for",
    },
    "length": {},
    "paths": {
        "tests/unit/replay/store_test.cc": "made-up home directories in $HOME",
    },
    "tracing": {
        "src/supervisor/launch.cc": "reaps its own child that only forks the supervisor and exits, before anything is traced",
    },
    "clocks": {},
    "headers": {},
    "strays": {},
    "includes": {},
}


class Tree:
    """The files of a source tree, read once."""

    def __init__(self, root):
        self.root = root
        self.paths = []
        self.texts = {}
        for folder, folders, files in os.walk(root):
            folders[:] = [f for f in folders if f not in (".git", ".cache", "__pycache__") and not f.startswith("build")]
            for name in files:
                path = os.path.relpath(os.path.join(folder, name), root)
                self.paths.append(path)
                with open(os.path.join(folder, name), "rb") as file:
                    data = file.read()
                if b"\0" not in data:
                    self.texts[path] = data.decode("utf-8", "replace")

    def sources(self, *folders, suffixes=(".cc", ".h", ".S", ".inc")):
        for path in sorted(self.texts):
            if path.endswith(suffixes) and path.startswith(tuple(f + "/" for f in folders)):
                yield path, self.texts[path]


def code_of(text):
    """The text with comments and the contents of string literals blanked out, line by line."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)

    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())

    return pattern.sub(blank, text)


def matches(path, text, pattern, message):
    for number, line in enumerate(text.splitlines(), 1):
        found = pattern.search(line)
        if found:
            yield path, number, message.format(found.group().strip())


def room_of(path):
    for folder, name, height in ROOMS:
        if path.startswith(folder + "/"):
            return name, height
    return None


def includes(tree):
    """Includes go one way, and every file of ours is included by its path from the root or from src/."""
    heights = {name: height for _, name, height in ROOMS}
    for path, text in tree.sources("src", "arch", "snapshot", "replay"):
        room = room_of(path)
        if room is None:
            yield path, 1, "lies in no room of the house"
            continue
        name, height = room
        for number, line in enumerate(text.splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not found:
                continue
            target = found.group(1).split("/")[0]
            if target not in heights:
                yield path, number, f'"{found.group(1)}" isn\'t named by its path from the root or from src/'
            elif target != name and heights[target] >= height and (name, target) not in SAME_HEIGHT:
                yield path, number, f"{name} may not include {target}"


ARCH_TEST = re.compile(r"#\s*(?:if|ifdef|ifndef|elif)\b.*\b_*(?:x86_64|i386|amd64|aarch64|arm64|arm)_*\b")
REGISTER = re.compile(
    r"\b(?:r[abcd]x|r[sd]i|r[bs]p|rip|e[abcd]x|orig_rax|eflags|[fg]s_base|r(?:8|9|1[0-5])|[xw](?:[12]?\d|30)|pstate|"
    r"user_(?:regs|fpregs|pt_regs|fpsimd)\w*|PTRACE_[GS]ET(?:FP)?REGS|NT_(?:X86|ARM)_\w+)\b"
)
NUMBER = re.compile(r"\b(?:__NR_\w+|SYS_(?!SECCOMP\b|USER_DISPATCH\b)\w+)|\bsyscall\(\s*\d")


def architecture(tree):
    """No test for an architecture, register name or syscall number outside arch/ and the table."""
    for path, text in tree.sources("src", "snapshot", "replay", "bench", "tests"):
        code = code_of(text)
        if path.startswith(("tests/guests/arch/", "tests/unit/arch/")):
            continue  # about one architecture: that is what they are for
        yield from matches(path, code, ARCH_TEST, "tests for an architecture: {}")
        yield from matches(path, code, REGISTER, "names a register: {}")
        # Tests and benchmarks make calls as any program does, by libc's names, which are the host's numbers.
        if not path.startswith(("tests/", "bench/", "src/syscalls/")):
            yield from matches(path, code, NUMBER, "knows a syscall number: {}")


def length(tree):
    """No file over 800 lines: a sign that a table or a class is missing."""
    for path, text in tree.sources("src", "arch", "snapshot", "replay", "tests", "bench", suffixes=SOURCE):
        lines = text.count("\n")
        if lines > MAX_LINES:
            yield path, lines, f"has {lines} lines; {MAX_LINES} are allowed"


# Written in pieces, so that this file keeps its own rule.
MACHINE_PATH = re.compile(r"(?<![\w.$}~])/(?:" + "|".join(["wo" "rk", "fa" "rm", "ho" "me", "ro" "ot", "Us" "ers"]) + r")/[\w.]")
HOST = re.compile(r"\b(?:deb|security|ftp)\." + r"debian\.org\b")


def paths(tree):
    """No path of a particular machine, and no package server, anywhere."""
    for path, text in sorted(tree.texts.items()):
        yield from matches(path, text, MACHINE_PATH, "names a path of some machine: {}")
        yield from matches(path, text, HOST, "names a package server: {}")


TRACING = re.compile(r"\b(?:ptrace|waitpid|wait4)\s*\(")


def tracing(tree):
    """Only tracee/ calls ptrace or waits for what it traces: a wait elsewhere would steal stops."""
    for path, text in tree.sources("src", "snapshot", "replay"):
        if not path.startswith("src/tracee/"):
            yield from matches(path, code_of(text), TRACING, "calls {}...), which belongs to tracee/")


CLOCK = re.compile(r"\b\w+_clock::now\b|\b(?:clock_gettime|gettimeofday)\s*\(|\btime\(\s*(?:nullptr|NULL|0)\s*\)")


def clocks(tree):
    """Time comes from base/clock.h: the vDSO's clocks read the time-stamp counter, which traps in a tracer thread."""
    for path, text in tree.sources("src", "snapshot", "replay"):
        if path != "src/base/clock.h":
            yield from matches(path, code_of(text), CLOCK, "reads a clock by itself: {}")


def headers(tree):
    """A header opens with a paragraph and is guarded by its path."""
    for path, text in tree.sources("src", "arch", "snapshot", "replay", suffixes=(".h",)):
        if not text.startswith("// "):
            yield path, 1, "doesn't open with a paragraph that says what it is for"
        name = path.removeprefix("src/")
        guard = "RETAKE_" + re.sub(r"[/.]", "_", name).upper() + "_"
        if f"#ifndef {guard}\n#define {guard}\n" not in text:
            yield path, 1, f"isn't guarded by {guard}"


AT_THE_TOP = {".clang-format", ".clang-tidy", ".gitignore", "CMakeLists.txt", "CMakePresets.json", "LICENSE",
              "README.md", ".ci", "arch", "bench", "cmake", "docs", "library", "replay", "scripts", "snapshot", "src",
              "tests"}


def strays(tree):
    """Nothing lies at the top that nobody meant to: what a program left that was tried out there."""
    for path in sorted(tree.paths):
        if path.split(os.sep)[0] not in AT_THE_TOP:
            yield path, 1, "isn't one of the files and folders at the top (AT_THE_TOP)"


RULES = {rule.__name__: rule for rule in (includes, architecture, length, paths, tracing, clocks, headers, strays)}


def check(root, names=(), allowed=None):
    """All violations of the rules `names` (all by default), as printable lines."""
    allowed = ALLOWED if allowed is None else allowed
    tree = Tree(root)
    problems = []
    for name in names or RULES:
        used = set()
        exceptions = allowed.get(name, {})
        for path, line, message in RULES[name](tree):
            if path in exceptions:
                used.add(path)
            else:
                problems.append(f"{path}:{line}: {message} [{name}]")
        for path in exceptions:
            if path not in used:
                problems.append(f"{path}: is an exception to [{name}] that nothing needs")
    return problems


def main():
    root, names = sys.argv[1], sys.argv[2:]
    unknown = [name for name in names if name not in RULES]
    if unknown:
        sys.exit(f"no such rule: {unknown[0]}; there are {', '.join(RULES)}")
    problems = check(root, names)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
