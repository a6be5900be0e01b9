#!/usr/bin/env python3
"""Shows that each check fails on a tree that breaks its rule, and passes on one that doesn't."""

import os
import sys
import tempfile
import unittest

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
sys.dont_write_bytecode = True
import check_tree  # noqa: E402
import check_warnings  # noqa: E402
import results  # noqa: E402

GOOD = {
    "src/base/fd.h": "// A descriptor.\n#ifndef RETAKE_BASE_FD_H_\n#define RETAKE_BASE_FD_H_\n#endif\n",
    "replay/recorder.cc": '#include "replay/recorder.h"\n\n#include "base/fd.h"\n#include "snapshot/image.h"\n',
    "arch/x86_64/machine.cc": '#include "arch/arch.h"\n#if defined(__x86_64__)\nint rax = SYS_read;\n#endif\n',
    "src/tracee/ptrace.cc": "long x = ptrace(0, 1, 2, 3);\nint y = waitpid(-1, &status, 0);\n",
    "src/syscalls/rows.cc": "int n = SYS_read;\n",
    "tests/guests/raw.cc": "long r = syscall(SYS_getpid);\n",
    "src/world/clock.cc": '// rax and __NR_read are only talked about here\nauto text = "rip SYS_x waitpid(";\n',
}


class LintTest(unittest.TestCase):
    def problems(self, files, rule, allowed=None):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **files}.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as file:
                    file.write(text)
            return check_tree.check(root, [rule], allowed or {})

    def assert_caught(self, rule, path, text):
        problems = self.problems({path: text}, rule)
        self.assertEqual(len(problems), 1, problems)
        self.assertTrue(problems[0].startswith(path), problems)

    def test_a_good_tree_passes_every_rule(self):
        for rule in check_tree.RULES:
            self.assertEqual(self.problems({}, rule), [], rule)

    def test_includes_go_one_way(self):
        self.assert_caught("includes", "src/base/a.cc", '#include "arch/arch.h"\n')
        self.assert_caught("includes", "snapshot/a.cc", '#include "replay/trace.h"\n')
        self.assert_caught("includes", "src/world/a.cc", '#  include "snapshot/image.h"\n')
        self.assert_caught("includes", "src/supervisor/a.cc", '#include "cli/verb.h"\n')
        self.assert_caught("includes", "src/stub/a.S", '#include "tracee/layout.h"\n')

    def test_includes_are_named_from_the_root(self):
        self.assert_caught("includes", "src/base/a.cc", '#include "fd.h"\n')
        self.assert_caught("includes", "src/attic/a.cc", "\n")

    def test_clocks(self):
        self.assert_caught("clocks", "replay/a.cc", "auto now = std::chrono::steady_clock::now();\n")
        self.assert_caught("clocks", "src/tracee/a.cc", "clock_gettime(CLOCK_REALTIME, &now);\n")
        self.assert_caught("clocks", "src/supervisor/a.cc", "auto now = time(nullptr);\n")

    def test_strays(self):
        self.assert_caught("strays", "data", "left by a guest\n")
        self.assert_caught("strays", "traces/ls-1/events", "\0")

    def test_warnings(self):
        flags = "-Wall -Wextra -Werror"
        good = {"file": "a.cc", "command": f"g++ {flags} -c a.cc"}
        self.assertEqual(list(check_warnings.check([good])), [])
        for flag in flags.split():
            bad = {"file": "b.cc", "command": f"g++ {flags} -c b.cc".replace(flag + " ", "")}
            self.assertEqual(list(check_warnings.check([good, bad])), [f"b.cc: compiled without {flag}"])
        self.assertEqual(len(list(check_warnings.check([]))), 1)

    def test_architecture(self):
        self.assert_caught("architecture", "src/cli/a.cc", "#ifdef __x86_64__\n")
        self.assert_caught("architecture", "tests/behaviour/a.cc", "#if defined(__aarch64__)\n")
        self.assert_caught("architecture", "replay/a.cc", "auto v = regs.rip;\n")
        self.assert_caught("architecture", "replay/a.cc", "auto v = regs.orig_rax;\n")
        self.assert_caught("architecture", "src/tracee/a.cc", "struct user_regs_struct r;\n")
        self.assert_caught("architecture", "src/tracee/a.cc", "uint64_t x8 = 0;\n")
        self.assert_caught("architecture", "src/tracee/a.cc", "get(NT_ARM_TLS);\n")
        self.assert_caught("architecture", "src/world/a.cc", "call(__NR_read);\n")
        self.assert_caught("architecture", "src/world/a.cc", "call(SYS_read);\n")
        self.assert_caught("architecture", "src/world/a.cc", "syscall(39);\n")

    def test_length(self):
        self.assert_caught("length", "src/cli/a.cc", "\n" * 801)
        self.assertEqual(self.problems({"src/cli/a.cc": "\n" * 800}, "length"), [])

    def test_paths(self):
        self.assert_caught("paths", "docs/a.md", "see /ho" + "me/someone/x\n")
        self.assert_caught("paths", "scripts/a", "cd /wo" + "rk/main\n")
        self.assert_caught("paths", "scripts/a", "get deb.deb" + "ian.org\n")
        self.assertEqual(self.problems({"docs/a.md": "~/.local/share $HOME/x a/root/b\n"}, "paths"), [])

    def test_tracing(self):
        self.assert_caught("tracing", "replay/a.cc", "ptrace(PTRACE_CONT, pid, 0, 0);\n")
        self.assert_caught("tracing", "src/supervisor/a.cc", "if (waitpid (pid, &s, 0) < 0) {}\n")

    def test_headers(self):
        self.assert_caught("headers", "src/base/a.h", "#ifndef RETAKE_BASE_A_H_\n#define RETAKE_BASE_A_H_\n")
        self.assert_caught("headers", "replay/a.h", "// A.\n#ifndef RETAKE_A_H_\n#define RETAKE_A_H_\n")

    def test_an_exception_excuses_only_its_file_and_must_be_needed(self):
        files = {"src/cli/a.cc": "SYS_read;\n"}
        excused = {"architecture": {"src/cli/a.cc": "why"}}
        self.assertEqual(self.problems(files, "architecture", excused), [])
        self.assertEqual(len(self.problems({}, "architecture", excused)), 1)


class ResultsTest(unittest.TestCase):
    def problems(self, x86_64, aarch64, also_x86_64=(), also_aarch64=()):
        page = results.page_of(x86_64, aarch64)
        return results.problems_of(page, {*x86_64, *also_x86_64}, {*aarch64, *also_aarch64})

    def test_passed_on_both(self):
        self.assertEqual(self.problems({"a": "passed", "b": "passed"}, {"a": "passed", "b": "passed"}), [])

    def test_what_is_missing_or_failed_is_said(self):
        passed = {"a": "passed"}
        self.assertIn("b is no test on aarch64", self.problems({**passed, "b": "passed"}, passed))
        self.assertIn("b is no test on x86_64", self.problems(passed, {**passed, "b": "passed"}))
        self.assertEqual(self.problems(passed, passed, ["c"], ["c"]), ["c isn't on the page"])
        self.assertEqual(self.problems(passed, {"a": "**skipped**"}), ["a: passed on x86_64, **skipped** on aarch64"])
        page = results.page_of(passed, passed)
        self.assertIn("a is on the page, and no test any more", results.problems_of(page, set(), set()))


if __name__ == "__main__":
    unittest.main()
