#!/usr/bin/env python3
"""docs/test-results.md: each test with its result on both architectures, made from the JUnit files that scripts/test leaves.

    results.py --write PAGE X86_64.xml AARCH64.xml     makes the page
    results.py --update PAGE X86_64.xml AARCH64.xml    puts what these say into the page: for new tests, run alone
    results.py --check PAGE X86_64.xml [AARCH64.xml]   fails if a test isn't on the page, or is there and isn't any more; if
                                                       one is missing on one architecture; if one didn't pass. How long they
                                                       took may differ. A file of some tests only is checked for these.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

HEADING = """# Test results

Each test of the suite and what came of it on both architectures, with the seconds that it took: on x86_64 natively, on
aarch64 in an emulated machine (`tests/aarch64/`). This page is made from the results of both runs; do not edit it. To make
it again, or to add new tests to it (-R chooses them, and --update instead of --write keeps the others):

    ./scripts/test; ./scripts/test --aarch64
    tests/results.py --write docs/test-results.md build/release/junit.xml build/aarch64/junit.xml

The letters and numbers before a name are the acceptance row that the test belongs to. A `confined_` test runs as an
unprivileged user of a container would, with every optional kernel feature turned off. The seconds aren't compared when
this page is checked; they tell `tests/aarch64/run-suite` how to deal out the tests, and which are short.
"""
# What ctest writes as a test case's status.
SAID = {"run": "passed", "fail": "**failed**", "notrun": "**skipped**", "disabled": "**disabled**"}
MISSING = "**missing**"
ROW = re.compile(r"\| (\S+) \| (passed|\*\*\S+\*\*)(?: ([\d.]+))? \| (passed|\*\*\S+\*\*)(?: ([\d.]+))? \|")


def read(path):
    """What came of each test, and its seconds."""
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {case.get("name"): (SAID.get(case.get("status"), f"**{case.get('status')}**"), float(case.get("time", "0")))
            for case in cases}  # fmt: skip


def read_page(path):
    """The same by the page, of both architectures."""
    rows = [match for line in path.read_text().splitlines() if (match := ROW.fullmatch(line))] if path.exists() else []
    return ({row[1]: (row[2], float(row[3] or 0)) for row in rows}, {row[1]: (row[4], float(row[5] or 0)) for row in rows})


def said_of(results, name):
    status, seconds = results.get(name, (MISSING, 0))
    return f"{status} {seconds:.1f}" if status == "passed" else status


def page_of(x86_64, aarch64):
    names = list(dict.fromkeys([*x86_64, *aarch64]))
    lines = [HEADING]
    both = sum(x86_64.get(name, "-")[0] == aarch64.get(name, "-")[0] == "passed" for name in names)
    lines.append(f"{len(names)} tests, of which {both} pass on both.\n")
    lines += ["| test | x86_64 | aarch64 |", "|---|---|---|"]
    lines += [f"| {name} | {said_of(x86_64, name)} | {said_of(aarch64, name)} |" for name in names]
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) not in (4, 5) or sys.argv[1] not in ("--write", "--update", "--check"):
        sys.exit(__doc__)
    path, found = pathlib.Path(sys.argv[2]), [read(name) for name in sys.argv[3:]]
    listed = read_page(path)
    if sys.argv[1] == "--write":
        path.write_text(page_of(*found))
        return
    if sys.argv[1] == "--update":
        path.write_text(page_of(*({**on_page, **results} for on_page, results in zip(listed, found))))
        return
    problems = []
    for results, on_page, arch in zip(found, listed, ("x86_64", "aarch64")):
        problems += [f"{name}: {status} on {arch}" for name, (status, _) in results.items() if status != "passed"]
        problems += [f"{name}: not in {path}" for name in results if name not in on_page]
    problems += [f"{name}: in {path}, and is no test any more" for name in listed[0] if name not in found[0]]
    problems += [f"{name}: {arch} {status} in {path}" for on_page, arch in zip(listed, ("x86_64", "aarch64"))
                 for name, (status, _) in on_page.items() if status != "passed"]  # fmt: skip
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
