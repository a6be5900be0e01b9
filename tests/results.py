#!/usr/bin/env python3
"""docs/test-results.md: each test with its result on both architectures, made from the JUnit files that scripts/test leaves.

    results.py --write PAGE X86_64.xml AARCH64.xml     makes the page
    results.py --check PAGE X86_64.xml AARCH64.xml     fails if it isn't what would be made, if a test is missing on one
                                                       architecture, or if one didn't pass
"""

import difflib
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

HEADING = """# Test results

Each test of the suite and what came of it on both architectures: on x86_64 natively, on aarch64 in an emulated machine
(`tests/aarch64/`). This page is made from the results of both runs; do not edit it. To make it again after a change:

    ./scripts/test; ./scripts/test --aarch64
    tests/results.py --write docs/test-results.md build/release/junit.xml build/aarch64/junit.xml

The letters and numbers before a name are the acceptance row that the test belongs to. A `confined_` test runs as an
unprivileged user of a container would, with every optional kernel feature turned off.
"""
# What ctest writes as a test case's status.
SAID = {"run": "passed", "fail": "**failed**", "notrun": "**skipped**", "disabled": "**disabled**"}
MISSING = "**missing**"


def read(path):
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {case.get("name"): SAID.get(case.get("status"), f"**{case.get('status')}**") for case in cases}


def page_of(x86_64, aarch64):
    names = list(dict.fromkeys([*x86_64, *aarch64]))
    lines = [HEADING]
    both = sum(x86_64.get(name) == aarch64.get(name) == "passed" for name in names)
    lines.append(f"{len(names)} tests, of which {both} pass on both.\n")
    lines += ["| test | x86_64 | aarch64 |", "|---|---|---|"]
    for name in names:
        lines.append(f"| {name} | {x86_64.get(name, MISSING)} | {aarch64.get(name, MISSING)} |")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("--write", "--check"):
        sys.exit(__doc__)
    path, x86_64, aarch64 = pathlib.Path(sys.argv[2]), read(sys.argv[3]), read(sys.argv[4])
    page = page_of(x86_64, aarch64)
    if sys.argv[1] == "--write":
        path.write_text(page)
        return
    problems = [f"{name}: {x86_64.get(name, MISSING)} on x86_64, {aarch64.get(name, MISSING)} on aarch64"
                for name in dict.fromkeys([*x86_64, *aarch64])
                if not x86_64.get(name) == aarch64.get(name) == "passed"]  # fmt: skip
    now = path.read_text() if path.exists() else ""
    if now != page:
        problems.append(f"{path} isn't what these runs give; it says how to make it:")
        problems += [line for line in difflib.unified_diff(now.splitlines(), page.splitlines(), lineterm="", n=0)][2:12]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
