"""Damaged traces: cut short, flipped bits, missing parts. Whatever is done to a trace, each verb that
reads it must end by itself, in time, with a sentence: never by a signal, and never with a replay
that shows something else than the recording did.
"""

import argparse
import os
import pathlib
import random
import shutil

import engine
from engine import Failure

SEED = 7


def flip(path, position, bit):
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def truncate(path, size):
    os.truncate(path, size)


def files_named(trace, name):
    """The files of a part of the trace: "manifest", "events" or all of "blobs"."""
    path = trace / name
    found = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise Failure(f"the trace has no {name}: {sorted(os.listdir(trace))}")
    return found


def damages(case, trace, generator):
    """(description, function that does it to a copy, whether verify must find it)"""
    def on(name, index, action, *arguments):
        return lambda copy: action(files_named(copy, name)[index], *arguments)

    if case.startswith(("truncated", "flipped")):
        kind, name = case.split("_")
        size = files_named(trace, name)[0].stat().st_size
        if kind == "truncated":
            sizes = {0, 1, size // 2, size - 1, *(generator.randrange(size) for _ in range(12))}
            for cut in sorted(sizes):
                # A cut that falls between sections is a recorder that died: damage only if not.
                yield f"{name} cut to {cut} of {size}", on(name, 0, truncate, cut), name == "manifest"
        else:
            for _ in range(30):
                position, bit = generator.randrange(size), generator.randrange(8)
                yield f"{name} byte {position} bit {bit}", on(name, 0, flip, position, bit), name == "events"
    elif case == "blobs":
        blobs = files_named(trace, "blobs")
        for index in range(min(len(blobs), 4)):
            size = blobs[index].stat().st_size
            yield f"blob {index} cut", on("blobs", index, truncate, size // 2), True
            yield f"blob {index} gone", lambda copy, i=index: files_named(copy, "blobs")[i].unlink(), True
            yield f"blob {index} flipped", on("blobs", index, flip, generator.randrange(size), 3), True
    elif case == "foreign":
        def version(copy):
            path = copy / "manifest"
            path.write_bytes(path.read_bytes().replace(b'"version":', b'"version": 9').replace(b'"version": 9 ', b'"version": 9'))
        yield "another version", version, True
        yield "a manifest that is no JSON", lambda copy: (copy / "manifest").write_text("hello"), True
        yield "a manifest that is empty JSON", lambda copy: (copy / "manifest").write_text("{}"), True
        yield "events of text", lambda copy: (copy / "events").write_text("x" * 10000), True
        yield "a deep manifest", lambda copy: (copy / "manifest").write_text("[" * 100000), True
    elif case == "missing":
        yield "no events", lambda copy: (copy / "events").unlink(), True
        yield "no manifest", lambda copy: (copy / "manifest").unlink(), True
        yield "no blobs", lambda copy: shutil.rmtree(copy / "blobs"), True
        yield "nothing", lambda copy: [shutil.rmtree(copy), copy.mkdir()], True
        yield "no directory", lambda copy: shutil.rmtree(copy), True
        yield "events a directory", lambda copy: [(copy / "events").unlink(), (copy / "events").mkdir()], True
    else:
        raise Failure(f"no case {case}")


def has_sentence(outcome):
    last = (outcome.err.strip().splitlines() or [b""])[-1]
    return last.startswith(b"retake: ") and len(last) > 20


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--case", required=True)
    args = parser.parse_args()

    def body(place):
        shutil.copy(args.guest, place.bin / "guest")
        modes = engine.Modes(args.retake, place)
        recorded = modes.record([str(place.bin / "guest")])
        engine.compare(recorded, modes.replay(), ("record", "replay before the damage"))
        copy = place.root / "copy"
        for what, action, must_be_found in damages(args.case, modes.trace, random.Random(SEED)):
            shutil.rmtree(copy, ignore_errors=True)
            # Blobs may be hard links into the cache: a true copy is damaged, nothing else.
            shutil.copytree(modes.trace, copy)
            action(copy)
            replayed = modes.replay(copy)
            verified = engine.run([args.retake, "verify", str(copy)], place)
            others = [engine.run([args.retake, verb, str(copy)], place) for verb in ("dump", "info")]
            for verb, outcome in zip(("replay", "verify", "dump", "info"), (replayed, verified, *others)):
                if os.WIFSIGNALED(outcome.status):
                    raise Failure(f"{what}: {verb} dies: {outcome.describe_status()}: {engine.show(outcome.err)}")
                if os.WEXITSTATUS(outcome.status) != 0 and not has_sentence(outcome):
                    raise Failure(f"{what}: {verb} {outcome.describe_status()} without a sentence: "
                                  f"{engine.show(outcome.err)}")
            if must_be_found and os.WEXITSTATUS(verified.status) == 0:
                raise Failure(f"{what}: verify finds nothing")
            if os.WEXITSTATUS(replayed.status) == 125:
                if not recorded.out.startswith(replayed.out):
                    raise Failure(f"{what}: a wrong replay: {engine.show(replayed.out)}")
            else:
                engine.compare(recorded, replayed, ("record", f"replay with {what}"))

    engine.main_of_case(f"damaged_{args.case}", body)


if __name__ == "__main__":
    main()
