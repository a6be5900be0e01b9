#!/usr/bin/env python3
"""docs/test-results.md: each test with its result on both architectures.

    results.py --write PAGE X86_64.xml AARCH64.xml
        makes the page from the JUnit files that scripts/test leaves
    results.py --check PAGE X86_64_BUILD AARCH64_BUILD
        fails unless each test that one of these build directories has is on the page, and passed on both architectures, and
        unless both have the same tests
"""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

HEADING = """# Test results

Each test of the suite and what came of it the last time that it was run on both architectures: on x86_64 natively, on
aarch64 in an emulated machine (`tests/aarch64/`). This page is made from the results; do not edit it. To make it again
after a change (the second takes an hour on two CPUs; `-R REGEX` runs some tests and keeps the others' results):

    ./scripts/test; ./scripts/test --aarch64
    tests/results.py --write docs/test-results.md build/release/junit.xml build/aarch64/junit.xml

The letters and numbers before a name are the acceptance row that the test belongs to. A `confined_` test runs as an
unprivileged user of a container would, with every optional kernel feature turned off.
"""
# What ctest writes as a test case's status.
SAID = {"run": "passed", "fail": "**failed**", "notrun": "**skipped**", "disabled": "**disabled**"}
MISSING = "**missing**"
ROW = re.compile(r"\| (\S+) \| (\S+) \| (\S+) \|")


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


def tests_of(build):
    listed = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, check=True).stdout
    return {test["name"] for test in json.loads(listed)["tests"]}


def problems_of(page, x86_64, aarch64):
    """`page` is its text, the others are names of tests."""
    rows = {row[1]: (row[2], row[3]) for row in ROW.finditer(page) if row[1] != "test"}
    problems = [f"{name} is no test on aarch64" for name in sorted(x86_64 - aarch64)]
    problems += [f"{name} is no test on x86_64" for name in sorted(aarch64 - x86_64)]
    problems += [f"{name} isn't on the page" for name in sorted((x86_64 | aarch64) - rows.keys())]
    problems += [f"{name} is on the page, and no test any more" for name in sorted(rows.keys() - x86_64 - aarch64)]
    problems += [f"{name}: {row[0]} on x86_64, {row[1]} on aarch64" for name, row in rows.items() if row != ("passed", "passed")]
    return problems


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("--write", "--check"):
        sys.exit(__doc__)
    page = pathlib.Path(sys.argv[2])
    if sys.argv[1] == "--write":
        page.write_text(page_of(read(sys.argv[3]), read(sys.argv[4])))
        return
    if problems := problems_of(page.read_text(), tests_of(sys.argv[3]), tests_of(sys.argv[4])):
        sys.exit("\n".join([*problems, f"{page} isn't right; it says how to make it"]))


if __name__ == "__main__":
    main()
