"""What `record` owes its caller beyond the program's own behaviour: when it returns, what it holds,
where it writes, what it says of programs that can't be started.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import time

import engine
from engine import Failure


def computes_on(pid):
    """The CPU that a bash is held to which has computed for a while; None for other processes."""
    try:
        name, _, fields = pathlib.Path(f"/proc/{pid}/stat").read_text().partition(") ")
        used = int(fields.split()[11])  # utime, in ticks of 10 ms
        if not name.endswith("(bash") or used < 20:
            return None
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next(line.split()[1] for line in status.splitlines() if line.startswith("Cpus_allowed_list:"))


class Case:
    def __init__(self, place, retake, guests):
        self.place = place
        self.retake = retake
        self.guests = guests
        self.modes = engine.Modes(retake, place)
        self.trace = self.modes.trace

    def guest(self, name):
        shutil.copy(f"{self.guests}/{name}", self.place.bin / name)
        return str(self.place.bin / name)

    def start(self, argv, flags=(), variables=()):
        """Starts a recording; returns its Popen with a pipe on stdout and one on stderr."""
        self.place.fresh_work()
        return subprocess.Popen([self.retake, "record", *flags, "-o", str(self.trace), "--", *argv],
                                cwd=self.place.work, env=self.place.environment(variables),
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end_of_all(self):
        reaper, end = engine.Reaper(), time.monotonic() + engine.WAIT_SECONDS
        while reaper.poll():
            if time.monotonic() > end:
                raise Failure(f"left: {[engine.describe_process(p) for p in engine.descendants()]}")
            time.sleep(0.005)

    def finish(self, process, seconds=20):
        out, err = process.communicate(timeout=seconds * engine.SLOWNESS)
        return process.returncode, out, err

    def background(self):
        """record returns with the first process's status; the recording goes on until the daemon ends."""
        status, _, err = self.finish(self.start([self.guest("daemon_outlives")]))
        if status != 0:
            raise Failure(f"status {status}: {engine.show(err)}")
        if (self.place.work / "daemon_file").exists():
            raise Failure("record waited for the daemon")
        self.end_of_all()
        if not (self.place.work / "daemon_file").exists():
            raise Failure("the daemon did not live to write its file")
        replayed = self.modes.replay()
        if replayed.describe_status() != "exit 0":
            raise Failure(f"replay: {replayed.describe_status()} {engine.show(replayed.err)}")

    def waiting(self):
        """record --wait returns only when the last task has ended."""
        status, _, err = self.finish(self.start([self.guest("daemon_outlives")], ["--wait"]))
        if status != 0 or not (self.place.work / "daemon_file").exists():
            raise Failure(f"--wait did not wait: status {status}: {engine.show(err)}")
        self.end_of_all()

    def pipes_released(self):
        """A caller that reads until the pipes' end isn't held up by a supervisor in the background."""
        process = self.start(["/bin/sh", "-c", "setsid sleep 3 < /dev/null > /dev/null 2>&1 & echo said"])
        begin = time.monotonic()
        status, out, err = self.finish(process)
        took = time.monotonic() - begin
        if status != 0 or out != b"said\n" or err != b"":
            raise Failure(f"status {status}, {out!r}, {err!r}")
        if took > 2:
            raise Failure(f"the pipes were held for {took:.1f} s")
        self.end_of_all()

    def status_passed(self):
        """Programs that can't be started: 126 and 127 as env gives, with a sentence, and no trace left."""
        plain = self.place.root / "plain"
        plain.write_text("no program")
        loop = self.place.root / "loop"  # in PATH: nothing can be looked up there
        loop.symlink_to(loop)
        path = {"PATH": f"{loop}:{os.environ['PATH']}"}
        for command, expected in ((["/absent/program"], 127), (["absent-program-anywhere"], 127),
                                  ([str(plain)], 126), ([str(self.place.work)], 126)):
            status, out, err = self.finish(self.start(command, variables=path))
            if status != expected or out != b"" or not err.strip().splitlines()[-1].startswith(b"retake: "):
                raise Failure(f"{command}: status {status}, expected {expected}: {engine.show(err)}")
            self.end_of_all()
            if self.trace.exists() and os.listdir(self.trace):
                raise Failure(f"{command}: a trace is left: {os.listdir(self.trace)}")
            shutil.rmtree(self.trace, ignore_errors=True)

    def replay_while_recording(self):
        """A trace still being written replays up to its last section."""
        process = self.start(["/bin/sh", "-c", "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.05; done"])
        time.sleep(0.8)
        during = subprocess.run([self.retake, "replay", str(self.trace)], cwd=self.place.work, check=False,
                                env=self.place.environment(), capture_output=True, timeout=30 * engine.SLOWNESS)
        status, out, err = self.finish(process)
        if status != 0:
            raise Failure(f"the recording was disturbed: {status} {engine.show(err)}")
        last = (during.stderr.strip().splitlines() or [b""])[-1]
        if during.returncode != 125 or b"ends here" not in last or b"still being recorded" not in last:
            raise Failure(f"replay meanwhile: {during.returncode} {engine.show(during.stderr)}")
        if not out.startswith(during.stdout) or during.stdout == b"":
            raise Failure(f"replay meanwhile showed {engine.show(during.stdout)}")
        self.end_of_all()
        after = self.modes.replay()
        if after.out != out or after.describe_status() != "exit 0":
            raise Failure(f"replay afterwards: {after.describe_status()} {engine.show(after.err)}")

    def replay_at_once(self):
        """What lives on for a moment after the program belongs to the recording: replay waits for its end."""
        process = self.start(["/bin/sh", "-c", "(sleep 0.3; echo late) & echo early"])
        # Its output stays open until the last one ends; its status comes at once.
        process.wait(timeout=60 * engine.SLOWNESS)
        outcome = self.modes.replay()
        process.communicate(timeout=60 * engine.SLOWNESS)
        if outcome.out != b"early\nlate\n" or outcome.describe_status() != "exit 0":
            raise Failure(f"{outcome.describe_status()} {engine.show(outcome.out)} {engine.show(outcome.err)}")

    def killed_early(self):
        """Killed at any moment of its start, the program leaves nothing, or a trace up to there."""
        moments = 40
        for moment in range(moments):
            shutil.rmtree(self.trace, ignore_errors=True)
            process = self.start([self.guest("exit_code"), "7"])
            time.sleep(0.012 * engine.SLOWNESS * moment / moments)
            process.kill()
            self.finish(process)
            self.end_of_all()
            if not (self.trace / "manifest").exists():
                continue
            replayed = self.modes.replay()
            report = replayed.err.decode(errors="replace")
            whole = replayed.describe_status() in ("signal 9", "exit 7")
            cut = replayed.describe_status() == "exit 125" and "the recorder was killed" in report
            if not whole and not cut:
                raise Failure(f"killed at moment {moment}: {replayed.describe_status()}: {report}")

    def recorded_directory(self):
        """Without -o, traces go to $RETAKE_DIR as NAME-N, and `latest` is the newest."""
        hello = self.guest("hello")
        for _ in range(3):
            outcome = engine.run([self.retake, "record", "--", hello], self.place)
            if outcome.out != b"hello\n" or outcome.err != b"":
                raise Failure(f"{outcome.describe_status()} {engine.show(outcome.err)}")
        names = sorted(os.listdir(self.place.store))
        if len(names) != 4 or "latest" not in names:
            raise Failure(f"the store holds {names}")
        latest = self.place.store / "latest"
        if not latest.is_symlink() or pathlib.Path(os.path.realpath(latest)).name != names[2 if names[-1] == "latest" else -1]:
            if os.path.realpath(latest) != str(self.place.store / sorted(n for n in names if n != "latest")[-1]):
                raise Failure(f"latest is {os.readlink(latest)} of {names}")
        replayed = engine.run([self.retake, "replay"], self.place)
        if replayed.out != b"hello\n":
            raise Failure(f"replay of the latest: {engine.show(replayed.err)}")

    def counter_traps(self):
        """What makes reads of the counter trap, kernel or changed code, needn't be the same in record and replay."""
        changed, kernel = {"RETAKE_WITHOUT": "tsc"}, {}
        cases = [("time_counter", changed, kernel), ("time_counter", kernel, changed), ("time_counter", changed, changed)]
        # The CPU's random numbers are hidden by what it says of itself.
        cases += [("entropy", {"RETAKE_WITHOUT": without}, {}) for without in ("cpuid", "tsc,cpuid")]
        for guest, recording, replaying in cases:
            recorded = self.modes.record([self.guest(guest)], env=recording)
            if recorded.describe_status() != "exit 0" or recorded.err != b"":
                raise Failure(f"record with {recording}: {recorded.describe_status()} {engine.show(recorded.err)}")
            replayed = self.modes.replay(flags=["--check"], env=replaying)
            if replayed.describe_status() != "exit 0" or replayed.out != recorded.out:
                raise Failure(f"recorded with {recording}, replayed with {replaying}: {replayed.describe_status()} {engine.show(replayed.err)}")

    def programs_in_parallel(self):
        """R11: programs that make starts side by side and that compute get a CPU each, as far as there are some."""
        computes = "exec bash -c 'until [ -e stop ]; do for ((i = 0; i < 50000; i++)); do :; done; done; echo told'"
        (self.place.root / "Makefile").write_text(f"all: one two\none two:\n\t@{computes}\n")
        process = self.start(["make", "-s", "-j2", "-f", str(self.place.root / "Makefile")])
        enough, cpus, end = min(2, len(os.sched_getaffinity(0))), {}, time.monotonic() + engine.WAIT_SECONDS
        while len(cpus) < 2 or len(set(cpus.values())) < enough:
            if time.monotonic() > end:
                raise Failure(f"they compute on {cpus}")
            time.sleep(0.05)
            cpus = {pid: cpu for pid in engine.descendants() if (cpu := computes_on(pid)) is not None}
        (self.place.work / "stop").touch()
        status, out, err = self.finish(process)
        if status != 0 or out.count(b"told\n") != 2:
            raise Failure(f"status {status}, {out!r}: {engine.show(err)}")
        replayed = self.modes.replay()
        if replayed.out != out:
            raise Failure(f"replay: {replayed.describe_status()} {engine.show(replayed.err)}")

    def cwd_gone(self):
        """Recording and replaying in a directory that is removed meanwhile."""
        gone = self.place.root / "gone"
        gone.mkdir()
        script = f'cd {gone} && rmdir {gone} && exec "$@"'
        argv = ["/bin/sh", "-c", script, "sh", self.retake, "record", "-o", str(self.trace), "--", self.guest("hello")]
        recorded = engine.run(argv, self.place)
        if recorded.out != b"hello\n":
            raise Failure(f"{recorded.describe_status()} {engine.show(recorded.err)}")
        if self.modes.replay().out != b"hello\n":
            raise Failure("it does not replay")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--retake", required=True)
    parser.add_argument("--guests", required=True)
    parser.add_argument("--case", required=True)
    parser.add_argument("needed", nargs="*", help="guests that it takes, for whoever builds some tests only")
    args = parser.parse_args()
    engine.main_of_case(f"recorder_{args.case}",
                        lambda place: getattr(Case(place, args.retake, args.guests), args.case)())


if __name__ == "__main__":
    main()
