"""The harness's engine: runs a command natively, recorded and replayed, and compares.

Each case gets a private directory with a work directory (the program's cwd, made anew for each mode
at the same path), a trace directory, a cache and a home, so that cases can run side by side. Every
wait is bounded. The engine makes itself the subreaper (man 2 PR_SET_CHILD_SUBREAPER), so whatever a
program or the recorder leaves behind becomes its child and is found: a leftover fails the case.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import pathlib
import pty
import re
import selectors
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import termios
import time

# How many times slower than usual the machine is: emulators. Multiplies what bounds a wait, divides what repeats something.
SLOWNESS = int(os.environ.get("RETAKE_TEST_SLOWNESS") or 1)
WAIT_SECONDS = 60 * SLOWNESS  # the bound of every wait
PR_SET_CHILD_SUBREAPER = 36


def times(usual, least=1):
    """How often to repeat something."""
    return max(usual // SLOWNESS, least) if SLOWNESS > 1 else usual


def scaled(text):
    """With "{times N}" or "{times N LEAST}" replaced by times(N, LEAST), and "{usually TEXT}" by TEXT, or on a slow machine
    by nothing."""
    if isinstance(text, list):
        return [scaled(word) for word in text]
    text = re.sub(r"\{usually ([^{}]*)\}", "" if SLOWNESS > 1 else r"\1", text)
    return re.sub(r"\{times (\d+)(?: (\d+))?\}", lambda match: str(times(int(match[1]), int(match[2] or 1))), text)


class Failure(Exception):
    """The case failed; the message says why."""


class Outcome:
    """What a run showed: its wait status, output and errors, and files it left (relative names)."""

    def __init__(self, status, out, err, files):
        self.status = status
        self.out = out
        self.err = err
        self.files = files

    def describe_status(self):
        if os.WIFSIGNALED(self.status):
            return f"signal {os.WTERMSIG(self.status)}"
        return f"exit {os.WEXITSTATUS(self.status)}"


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise Failure("PR_SET_CHILD_SUBREAPER: " + os.strerror(ctypes.get_errno()))
    if not os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children"):
        raise Failure("this kernel doesn't list children (CONFIG_PROC_CHILDREN), so that none could be found")


def children_of(pid):
    """Of all threads of a process; none if it is gone."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def descendants(of=None):
    """Pids of all processes below this one, or another."""
    found = children_of(of or os.getpid())
    for pid in found:  # which grows meanwhile
        found += children_of(pid)
    return found


def describe_process(pid):
    try:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        state = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return f"{pid} (gone)"
    return f"{pid} [{state}] {line[:120]}"


def kill_descendants():
    """Kills what is left of ours, by pid, until nothing is."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pids = descendants()
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0] > 0:
                pass
        if not pids:
            return
        time.sleep(0.01)


class Reaper:
    """Collects statuses of direct children and inherited orphans alike."""

    def __init__(self):
        self.statuses = {}

    def poll(self):
        """Reaps what has ended. False when there are no children at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self.statuses[pid] = status


def snapshot_files(directory):
    """Names and contents of all files below a directory; names with "vary" are left out."""
    files = {}
    for root, dirs, names in os.walk(directory):
        dirs.sort()
        for name in sorted(names) + dirs:
            path = os.path.join(root, name)
            relative = os.path.relpath(path, directory)
            if "vary" in relative:
                continue
            info = os.lstat(path)
            if stat.S_ISREG(info.st_mode):
                files[relative] = pathlib.Path(path).read_bytes()
            elif stat.S_ISLNK(info.st_mode):
                files[relative] = os.readlink(path)
            else:
                files[relative] = stat.S_IFMT(info.st_mode)
    return files


class Place:
    """The private directories of one case."""

    def __init__(self, name):
        base = os.environ.get("RETAKE_TEST_TMP") or tempfile.gettempdir()
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=f"retake-{name[:40]}-", dir=base))
        os.chmod(self.root, 0o755)
        for name in ("work", "home", "cache", "store", "tmp", "bin"):
            (self.root / name).mkdir(mode=0o777)
            os.chmod(self.root / name, 0o777)

    def __getattr__(self, name):
        return self.root / name

    def fresh_work(self):
        if self.work.exists():
            shutil.rmtree(self.work)
        self.work.mkdir()
        os.chmod(self.work, 0o777)

    def remove(self):
        for root, dirs, _ in os.walk(self.root):
            for name in dirs:
                with contextlib.suppress(OSError):
                    if not os.path.islink(os.path.join(root, name)):
                        os.chmod(os.path.join(root, name), 0o700)
        shutil.rmtree(self.root, ignore_errors=True)

    def environment(self, extra=()):
        env = {
            "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "LANG": "C",
            "TERM": "xterm",
            "RETAKE_DIR": str(self.store),
            "XDG_CACHE_HOME": str(self.cache),
        }
        for name in ("RETAKE_WITHOUT", "RETAKE_TEST_SLOWNESS", "ASAN_OPTIONS", "UBSAN_OPTIONS", "PYENV_ROOT"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(extra)
        return env


def read_pipes(fds, reaper, pid, deadline, feed=None):
    """Reads descriptors to their ends while feeding another. Returns bytes per descriptor."""
    chunks = {fd: [] for fd in fds}
    selector = selectors.DefaultSelector()
    for fd in fds:
        selector.register(fd, selectors.EVENT_READ)
    if feed is not None:
        feed_fd, feed_data = feed
        os.set_blocking(feed_fd, False)
        if feed_data:
            selector.register(feed_fd, selectors.EVENT_WRITE)
        else:
            os.close(feed_fd)
    quiet = None
    while selector.get_map():
        if time.monotonic() > deadline:
            raise Failure("output did not end in time")
        for key, _ in selector.select(0.05):
            if key.fd in chunks:
                try:
                    data = os.read(key.fd, 1 << 16)
                except OSError as error:  # a terminal whose last user has gone
                    if error.errno != errno.EIO:
                        raise
                    data = b""
                if data:
                    chunks[key.fd].append(data)
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
            else:
                try:
                    feed_data = feed_data[os.write(key.fd, feed_data[: 1 << 16]) :]
                except BrokenPipeError:
                    feed_data = b""
                if not feed_data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
        has_children = reaper.poll()
        if pid in reaper.statuses and feed is not None and feed_fd in selector.get_map():
            selector.unregister(feed_fd)
            os.close(feed_fd)
        if not has_children:  # nobody is left that could write more
            quiet = quiet or time.monotonic()
            if time.monotonic() - quiet > 1:
                break
    return {fd: b"".join(parts) for fd, parts in chunks.items()}


def run(argv, place, stdin=b"", stdout="pipe", env=(), cwd=None, leftovers="fail", timeout=WAIT_SECONDS):
    """Runs a command to its end and to the end of all that it started.

    stdout: "pipe" (stdout and stderr apart), "merged" (one pipe for both), "file", "append" (to a
    file with contents), "pty", "closed". leftovers: "fail", or "keep" for a caller that looks at
    them itself.
    """
    reaper = Reaper()
    deadline = time.monotonic() + timeout
    cwd = str(cwd or place.work)
    stdin_read, stdin_write = os.pipe()
    streams, child_fds, output_file = [], {0: stdin_read}, None
    if stdout == "pty":
        main_side, other_side = pty.openpty()
        modes = termios.tcgetattr(other_side)
        modes[1] &= ~termios.OPOST
        termios.tcsetattr(other_side, termios.TCSANOW, modes)
        child_fds[1] = child_fds[2] = other_side
        streams = [main_side]
    else:
        err_read, err_write = os.pipe()
        child_fds[2] = err_write
        streams = [err_read]
        if stdout == "merged":
            child_fds[1] = err_write
        elif stdout in ("file", "append"):
            output_file = place.root / "output"
            output_file.write_bytes(b"already here\n" if stdout == "append" else b"")
            flags = os.O_WRONLY | (os.O_APPEND if stdout == "append" else 0)
            child_fds[1] = os.open(output_file, flags)
        elif stdout == "closed":
            child_fds[1] = None
        else:
            out_read, out_write = os.pipe()
            child_fds[1] = out_write
            streams.insert(0, out_read)
    parent_fds = {*streams, stdin_write}
    pid = os.fork()
    if pid == 0:
        try:
            # Moved out of the way first: the targets 0, 1 and 2 may be among the sources.
            sources = {to: fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for to, fd in child_fds.items() if fd is not None}
            for to in (0, 1, 2):
                if to in sources:
                    os.dup2(sources[to], to)
                else:
                    os.close(to)
            os.closerange(3, 256)
            os.chdir(cwd)
            os.umask(0o022)
            os.setpgid(0, 0)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(argv[0], argv, place.environment(env))
        except BaseException as error:  # noqa: the child must not return
            os.write(2, f"cannot run {argv}: {error}\n".encode())
        os._exit(127)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    for fd in {fd for fd in child_fds.values() if fd is not None}:
        os.close(fd)
    try:
        texts = read_pipes(streams, reaper, pid, deadline, (stdin_write, stdin))
        alone = True
        while reaper.poll() and (leftovers == "fail" or pid not in reaper.statuses):
            if time.monotonic() > deadline:
                alone = False
                break
            time.sleep(0.002)
        if not alone:
            left = [describe_process(p) for p in descendants()]
            raise Failure(f"still running after {timeout} s: {'; '.join(left)}")
    except Failure as failure:
        left = [describe_process(p) for p in descendants()]
        kill_descendants()
        raise Failure(f"{' '.join(argv)[:200]}: {failure}; processes: {'; '.join(left)}") from None
    outs = [texts[fd] for fd in streams]
    out, err = (outs[0], outs[1]) if len(outs) == 2 else (b"", outs[0])
    if stdout in ("pty", "merged"):
        out, err = err, b""
    if output_file is not None:
        out = output_file.read_bytes()
    return Outcome(reaper.statuses[pid], out, err, snapshot_files(cwd) if os.path.isdir(cwd) else {})


def show(data, around=None):
    """Bytes for people: cut, with what lies around a position."""
    if around is not None:
        data = data[max(0, around - 100) : around + 200]
    text = data[:600].decode(errors="backslashreplace")
    return text + ("…" if len(data) > 600 else "")


def difference(a, b):
    return next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))


def require_same(what, expected, found, names):
    if expected == found:
        return
    if isinstance(expected, bytes):
        at = difference(expected, found)
        raise Failure(
            f"{what} differs from byte {at} on\n--- {names[0]} ({len(expected)} bytes):\n{show(expected, at)}\n"
            f"--- {names[1]} ({len(found)} bytes):\n{show(found, at)}"
        )
    raise Failure(f"{what} differs: {names[0]} {expected}, {names[1]} {found}")


def drop_varying(text):
    """Leaves out lines that hold what differs from run to run (they begin with "~ ")."""
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"~ "))


def drop_ours(text):
    """Leaves out what retake itself says."""
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"retake: "))


def compare(expected, found, names, varying=False, files=False, drop=None):
    """Compares two outcomes; `varying`: without lines that may differ; `drop`: a function that takes
    more out of both sides' text."""
    clean = drop_varying if varying else (lambda text: text)
    if drop is not None:
        inner = clean
        clean = lambda text: drop(inner(text))  # noqa: E731
    err = found.err
    try:
        require_same("exit status", expected.describe_status(), found.describe_status(), names)
        require_same("stdout", clean(expected.out), clean(found.out), names)
        require_same("stderr", clean(expected.err), clean(err), names)
    except Failure as failure:
        raise Failure(f"{failure}\n--- stderr of {names[1]}:\n{show(err[-600:])}") from None
    if files:
        require_same("list of files", sorted(expected.files), sorted(found.files), names)
        for name in expected.files:
            require_same(f"file {name}", expected.files[name], found.files[name], names)


@functools.cache
def without_network():
    """A prefix that runs a command without any network, or [] where that isn't permitted."""
    tool = shutil.which("unshare")
    # An ordinary user needs a user namespace, and stays the same user in it.
    for prefix in ([tool, "-n"], [tool, "-cn"]):
        if tool is None:
            break
        if os.geteuid() != 0 and prefix[1] == "-n":
            continue
        with open(os.devnull, "wb") as null:
            if subprocess.run(prefix + ["true"], stdout=null, stderr=null, check=False).returncode == 0:
                return prefix
    return []


def anyone_runs(path):
    """Whether every user may run this program, by the permissions of it and of what leads to it."""
    path = pathlib.Path(path).resolve()
    return path.stat().st_mode & 0o005 == 0o005 and all(parent.stat().st_mode & 0o001 for parent in path.parents)


def confined(place, retake, under):
    """What to run as retake, and the prefix of every command: `under`, a program that runs its arguments
    confined, or none."""
    if not under:
        return retake, []
    if anyone_runs(retake) and anyone_runs(under):
        return retake, [under]
    # Copies: another user must be able to run them, wherever this tree lies.
    tools = place.root / "tools"
    tools.mkdir()
    os.chmod(tools, 0o755)
    copies = []
    for tool in (retake, under):
        copies.append(str(tools / os.path.basename(tool)))
        shutil.copy(tool, copies[-1])
        os.chmod(copies[-1], 0o755)
    return copies[0], copies[1:]


class Modes:
    """Runs one command in all modes and compares: native, record, replay, and a replay of the copied
    trace after everything the program used has been deleted."""

    def __init__(self, retake, place, prefix=(), prepare=None):
        self.retake = str(retake)
        self.place = place
        self.prefix = list(prefix)
        self.prepare = prepare or (lambda: None)
        self.record_flags = []  # of every recording
        self.trace = place.root / "trace"
        self.moved = place.root / "moved trace"
        # One that can't run anything would fail alike in all modes, and so pass.
        if self.prefix and run(self.prefix + ["true"], place).describe_status() != "exit 0":
            raise Failure(f"{self.prefix[0]} can't run a program")

    def fresh(self):
        self.place.fresh_work()
        self.prepare()

    def native(self, argv, **options):
        self.fresh()
        return run(self.prefix + argv, self.place, **options)

    def recorder(self, flags=()):
        """The words that record what follows them; makes room for the trace."""
        shutil.rmtree(self.trace, ignore_errors=True)
        if self.prefix:  # another user's process makes it
            self.trace.mkdir()
            os.chmod(self.trace, 0o777)
        return [self.retake, "record", *self.record_flags, *flags, "-o", str(self.trace), "--"]

    def record(self, argv, flags=(), **options):
        self.fresh()
        return run(self.prefix + self.recorder(flags) + argv, self.place, **options)

    def replay(self, trace=None, flags=(), outer=(), **options):
        options.pop("stdin", None)
        empty = self.place.root / "empty"
        empty.mkdir(exist_ok=True)
        os.chmod(empty, 0o777)
        outcome = run(
            list(outer) + self.prefix + [self.retake, "replay", *flags, str(trace or self.trace)],
            self.place, cwd=empty, **options,
        )
        if outcome.files:
            raise Failure(f"the replay made files: {sorted(outcome.files)}")
        return outcome

    def forget_everything(self):
        """Deletes what the program read, wrote and was, and the cache; moves the trace."""
        shutil.rmtree(self.place.work)
        for name in ("bin", "home", "cache", "tmp"):
            shutil.rmtree(self.place.root / name)
        self.place.tmp.mkdir()  # retake itself may need it
        os.chmod(self.place.tmp, 0o777)
        shutil.rmtree(self.moved, ignore_errors=True)
        shutil.copytree(self.trace, self.moved, symlinks=True)
        if self.prefix:
            for root, _, names in os.walk(self.moved):
                for path in [root, *(os.path.join(root, n) for n in names)]:
                    os.chmod(path, 0o755)
        shutil.rmtree(self.trace)

    def replay_twice(self, recorded, drop=None, **options):
        """Replays with --check, and again with everything gone; on a slow machine both at once."""
        both = SLOWNESS > 1
        if not both:
            compare(recorded, self.replay(flags=["--check"], **options), ("record", "replay"), drop=drop)
        self.forget_everything()
        alone = self.replay(self.moved, flags=["--check"] if both else [], outer=without_network(), **options)
        compare(recorded, alone, ("record", "replay with everything deleted"), drop=drop)

    def all(self, argv, differs=False, files=True, says=False, **options):
        """Native, record, replay with --check, replay with everything gone. says: retake is expected to
        say something on stderr while it records."""
        # On a terminal, record says where the trace went.
        drop = drop_ours if says or options.get("stdout") == "pty" else None
        native = None if differs else self.native(argv, **options)
        recorded = self.record(argv, **options)
        if native is not None:
            compare(native, recorded, ("native", "record"), varying=True, files=files, drop=drop)
        elif os.WIFEXITED(recorded.status) and os.WEXITSTATUS(recorded.status) in (99, 125):
            raise Failure(f"recording failed: {recorded.describe_status()}\n{show(recorded.err)}")
        self.replay_twice(recorded, drop=drop, **options)
        if self.place.work.exists():
            raise Failure("the replay made the work directory again")
        return recorded


def main_of_case(name, body):
    """Runs a case's body in its place; prints the failure; exits 0 or 1."""
    become_subreaper()
    place = Place(name)
    try:
        body(place)
    except Failure as failure:
        print(f"FAILED {name}: {failure}")
        kill_descendants()
        if os.environ.get("RETAKE_TEST_KEEP"):
            print(f"kept: {place.root}")
        else:
            place.remove()
        sys.exit(1)
    left = descendants()
    if left:
        print(f"FAILED {name}: left behind: {'; '.join(describe_process(pid) for pid in left)}")
        kill_descendants()
        sys.exit(1)
    place.remove()
    print(f"passed {name}")
    sys.exit(0)
