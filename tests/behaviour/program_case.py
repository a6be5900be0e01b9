"""One program nobody here wrote, in all modes: see programs.toml for what a case may say."""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib

import engine
from engine import Failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--under", help="a program that runs its arguments confined")
    args = parser.parse_args()
    with open(args.programs, "rb") as file:
        case = {key: engine.scaled(value) if key in ("setup", "run") else value
                for key, value in tomllib.load(file)[args.program].items()}
    unknown = set(case) - {"needs", "setup", "run", "stdin", "varies", "files", "status", "optional", "shell",
                           "features"}
    if unknown:
        sys.exit(f"unknown keys: {unknown}")
    missing = [name for name in case.get("needs", []) if shutil.which(name) is None]
    if missing:
        print(f"not installed: {' '.join(missing)}")
        sys.exit(77 if case.get("optional") else 1)

    if case.get("features"):
        os.environ.pop("RETAKE_WITHOUT", None)

    def body(place):
        retake, prefix = engine.confined(place, args.retake, args.under)

        def prepare():
            if "setup" in case:
                subprocess.run([*prefix, "/bin/bash", "-ec", case["setup"]], cwd=place.work, env=place.environment(),
                               check=True, timeout=engine.WAIT_SECONDS)

        modes = engine.Modes(retake, place, prefix, prepare)
        argv = case["run"] if isinstance(case["run"], list) else [case.get("shell", "/bin/bash"), "-c", case["run"]]
        options = {"stdin": case.get("stdin", "").encode()}
        native = modes.native(argv, **options)
        expected = f"exit {case.get('status', 0)}"
        if native.describe_status() != expected:
            raise Failure(f"native: {native.describe_status()}, expected {expected}\n{engine.show(native.err)}")
        recorded = modes.record(argv, **options)
        if case.get("varies"):
            engine.require_same("exit status", expected, recorded.describe_status(), ("expected", "record"))
        else:
            engine.compare(native, recorded, ("native", "record"))
        if case.get("files", True) and not case.get("varies"):
            for name, contents in native.files.items():
                engine.require_same(f"file {name}", contents, recorded.files.get(name), ("native", "record"))
        modes.replay_twice(recorded, **options)

    engine.main_of_case(args.program, body)


if __name__ == "__main__":
    main()
