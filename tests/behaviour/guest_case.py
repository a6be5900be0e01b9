"""One guest program in all modes: native, record, replay, replay with everything deleted.

    guest_case.py --retake RETAKE --guest BINARY --source SOURCE.cc [--case NAME] [--under CONTAINER_LIKE]

What the case needs is said in the source, in lines that begin with "//!":

    //! case: NAME ARGUMENTS...    one ctest entry each (shell quoting)
    //! stdin: TEXT                \\n for a newline;  //! stdin-bytes: COUNT
    //! env: NAME=VALUE
    //! stdout: KIND               as engine.run's; "argument": the case's first argument says it
    //! differs: WHY               the native run isn't compared
    //! record-with: FLAGS...       of retake record
    //! record-says: TEXT          a sentence that the recording must print on stderr
    //! expect: STATUS TEXT        the recording ends with this status, its last line holding TEXT
    //! unless: STATUS             ... but on a machine where the native run ends so, it is compared as any other
    //! link: HOW                  for CMake
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import sys

import engine
from engine import Failure


def directives(source):
    found = {}
    for line in pathlib.Path(source).read_text().splitlines():
        match = re.match(r"//! ([a-z-]+): ?(.*)$", line)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


def expect_refusal(modes, argv, status, text, options):
    """The recording ends with a status of ours and a sentence; its trace replays up to there."""
    recorded = modes.record(argv, **options)
    last = recorded.err.strip().splitlines()[-1:] or [b""]
    if recorded.describe_status() != f"exit {status}" or text.encode() not in last[0]:
        raise Failure(
            f"expected exit {status} and a last line with {text!r}: {recorded.describe_status()}, "
            f"stderr {engine.show(recorded.err)}, stdout {engine.show(recorded.out)}"
        )
    if not last[0].startswith(b"retake: "):
        raise Failure(f"the last line is not ours: {last[0]!r}")
    replayed = modes.replay(**options)
    if replayed.describe_status() != "exit 125":
        raise Failure(f"replay of the stopped trace: {replayed.describe_status()}, {engine.show(replayed.err)}")
    engine.require_same("stdout", recorded.out, replayed.out, ("record", "replay"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--case", default="")
    parser.add_argument("--under", help="a program that runs its arguments confined")
    args = parser.parse_args()
    said = directives(args.source)
    arguments = []
    for line in said.get("case", []):
        words = shlex.split(line)
        if words[0] == args.case:
            arguments = words[1:]
            break
    else:
        if args.case:
            sys.exit(f"{args.source} has no case {args.case}")
    name = os.path.basename(args.guest)
    stdin = "\n".join(said.get("stdin", [])).replace("\\n", "\n").encode()
    for count in said.get("stdin-bytes", []):
        stdin = bytes((i * 2654435761 >> 13) & 255 for i in range(int(count)))
    kind = said.get("stdout", ["pipe"])[0]
    if kind == "argument":
        kind = arguments[0]
    if kind == "closed-if-before":
        kind = "closed" if arguments[0] == "before" else "pipe"
    options = {"stdin": stdin, "stdout": kind, "env": dict(line.split("=", 1) for line in said.get("env", []))}

    def body(place):
        binary = place.bin / name
        retake, prefix = engine.confined(place, args.retake, args.under)

        def prepare():
            shutil.copy(args.guest, binary)

        modes = engine.Modes(retake, place, prefix, prepare)
        modes.record_flags = shlex.split(" ".join(said.get("record-with", [])))
        argv = [str(binary), *arguments]
        expected = "expect" in said
        if expected and "unless" in said:
            expected = modes.native(argv, **options).describe_status() not in said["unless"]
        if expected:
            status, text = said["expect"][0].split(" ", 1)
            expect_refusal(modes, argv, int(status), text, options)
            return
        recorded = modes.all(argv, differs="differs" in said, says="record-says" in said, **options)
        for text in said.get("record-says", []):
            if text.encode() not in recorded.err:
                raise Failure(f"the recording did not say {text!r}: {engine.show(recorded.err)}")

    engine.main_of_case(name + (f".{args.case}" if args.case else ""), body)


if __name__ == "__main__":
    main()
