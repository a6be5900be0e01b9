"""A replay opens no file, socket or device of the program's: every call that any of its processes
makes is seen by watch_opens, an outer seccomp filter (suppressed calls never reach seccomp).
"""

import argparse
import os
import re
import shutil

import engine
from engine import Failure

# The system's libraries and what a C library or a supervisor asks of its own system.
SYSTEM = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache", "/etc/ld.so.preload", "/proc", "/sys/devices/system/cpu",
          "/usr/share/locale", "/dev/null",
          # The husk: retake's own, executed from memory.
          "/memfd:retake-husk (deleted)"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guest", required=True)
    parser.add_argument("--watch", required=True)
    args = parser.parse_args()
    name = os.path.basename(args.guest)

    def body(place):
        binary = place.bin / name
        shutil.copy(args.guest, binary)
        modes = engine.Modes(args.retake, place)
        recorded = modes.record([str(binary)])
        retake = os.path.realpath(args.retake)
        log = place.root / "calls"
        outer = [args.watch, "--log", str(log), "--allow", str(modes.trace), "--allow", retake]
        for prefix in SYSTEM:
            outer += ["--allow", prefix]
        # Where retake puts its husk if there are no memory files: a place of its own, so that nothing of
        # the program's can hide there.
        temporary = place.root / "retake_tmp"
        temporary.mkdir()
        outer += ["--allow", str(temporary)]
        modes.retake = retake
        watched = modes.replay(outer=[*outer, "--"], env={"TMPDIR": str(temporary)})
        lines = watched.err.decode(errors="replace").splitlines()
        summary = [line for line in lines if line.startswith("watch_opens: ")]
        if watched.describe_status() != recorded.describe_status() or watched.out != recorded.out:
            raise Failure(f"{watched.describe_status()}, recorded {recorded.describe_status()}:\n"
                          + "\n".join(lines[-20:]))
        counted = re.fullmatch(r"watch_opens: (\d+) calls, (\d+) of husks, (\d+) breaches", summary[-1])
        if counted is None or int(counted[3]) != 0:
            raise Failure("\n".join(summary[-20:]))
        # A watch that saw nothing shows nothing.
        if int(counted[1]) < 20 or int(counted[2]) < 1:
            raise Failure(f"too few calls were seen for the filter to have worked: {summary[-1]}")
        print(summary[-1])

    engine.main_of_case(f"isolation_{name}", body)


if __name__ == "__main__":
    main()
