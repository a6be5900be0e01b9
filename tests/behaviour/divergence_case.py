"""A trace in which one thing was altered (and sealed again, so that only the replay can tell) ends its
replay with a report: the event, what was expected, what was found, the stack with symbols; exit 125.
"""

import argparse
import re
import shutil

import engine
from engine import Failure


def events_of(edit, modes, place):
    listed = engine.run([edit, str(modes.trace), "-", "list"], place)
    if listed.describe_status() != "exit 0":
        raise Failure(f"edit_trace list: {engine.show(listed.err)}")
    for line in listed.out.decode().splitlines():
        number, task, kind, call, result, _, writes = line.split()
        yield {"number": number, "kind": kind, "call": call, "result": int(result), "writes": int(writes)}


def find(events, call, with_writes=False, occurrence=0):
    """The sequence number of one event; occurrence as a list's index."""
    found = [e for e in events if e["call"] == call and (e["writes"] > 0 or not with_writes)]
    if not -len(found) <= occurrence < len(found):
        raise Failure(f"no {call} event number {occurrence} in the trace")
    return found[occurrence]["number"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--edit", required=True)
    parser.add_argument("--case", required=True)
    args = parser.parse_args()
    guest = "reads_after_blob" if args.case == "blob" else "named_functions"

    def body(place):
        shutil.copy(f"{args.guests}/{guest}", place.bin / guest)
        modes = engine.Modes(args.retake, place)
        recorded = modes.record([str(place.bin / guest)])
        engine.compare(recorded, modes.replay(), ("record", "replay of the unaltered trace"))
        events = list(events_of(args.edit, modes, place))
        edits, functions = {
            "register": lambda: (["register", find(events, "getppid", occurrence=2), "arg3"], ["InnermostFunction"]),
            "result": lambda: (["result", find(events, "openat", occurrence=-1)], []),
            "memory_byte": lambda: (["memory", find(events, "preadv", True)], []),
            "shown": lambda: (["memory", find(events, "pread64", True, -1)], ["main"]),
            "path": lambda: (["memory", find(events, "readlinkat", True, -1)], ["main"]),
            "written": lambda: (["memory", find(events, "readv", True, -1)], ["main"]),
            "dropped_event": lambda: (["drop", find(events, "getppid", occurrence=3)], ["InnermostFunction", "main"]),
            "blob": lambda: (["blob", "mapped"], ["main"]),
        }[args.case]()
        altered = place.root / "altered"
        made = engine.run([args.edit, str(modes.trace), str(altered), *edits], place)
        if made.describe_status() != "exit 0":
            raise Failure(f"edit_trace: {engine.show(made.err)}")
        flags = ["--check"] if args.case == "memory_byte" else []
        replayed = modes.replay(altered, flags=flags)
        report = replayed.err.decode(errors="replace")
        if args.case in ("result", "memory_byte", "shown", "path", "written") and replayed.describe_status() == "exit 0":
            raise Failure("the alteration went unnoticed")
        if replayed.describe_status() != "exit 125":
            raise Failure(f"{replayed.describe_status()}: {report}")
        last = report.strip().splitlines()[-1]
        if not last.startswith("retake: "):
            raise Failure(f"the last line is not ours: {last}")
        for word in ("event", "expected", "found"):
            if not re.search(word, report, re.IGNORECASE):
                raise Failure(f"the report lacks {word!r}:\n{report}")
        for function in functions:
            if function not in report:
                raise Failure(f"the stack lacks {function}:\n{report}")
        if not recorded.out.startswith(replayed.out):
            raise Failure("the replay went on after the divergence")
        print(report)

    engine.main_of_case(f"divergence_{args.case}", body)


if __name__ == "__main__":
    main()
