#!/usr/bin/env python3
"""Checks that every file of the tree is compiled with warnings, and with warnings as errors (S22).

`check_warnings.py DATABASE` reads a compile_commands.json (CMAKE_EXPORT_COMPILE_COMMANDS) and exits 1, naming the files,
if any is compiled without. self_test.py shows that it can fail.
"""

import json
import shlex
import sys

NEEDED = ("-Wall", "-Wextra", "-Werror")


def check(commands):
    """What is wrong, a line for each file; and a line if there is nothing to look at."""
    if not commands:
        yield "the database names no file"
    for command in commands:
        words = command.get("arguments") or shlex.split(command["command"])
        missing = [flag for flag in NEEDED if flag not in words]
        if missing:
            yield f"{command['file']}: compiled without {' '.join(missing)}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        problems = list(check(json.load(file)))
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
