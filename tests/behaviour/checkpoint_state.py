"""C04, C06 and C07: what a process and its tasks have for themselves, memory, and the pause."""

import os
import pathlib
import random
import signal
import subprocess
import time

import engine
from checkpoint_bench import PRELUDE, SEED, expect, wait_until


# --- C04: signals, timers and the rest of a process's state ---

def state(bench):
    bench.python("""
import ctypes, os, resource, signal, struct, subprocess, threading, time
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0o027); os.makedirs("dir"); os.chdir("dir")
os.nice(3); os.sched_setaffinity(0, {0})
resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192)); resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
libc.prctl(15, b"a name", 0, 0, 0); libc.prctl(29, 12345, 0, 0, 0); libc.prctl(36, 1, 0, 0, 0); libc.prctl(38, 1, 0, 0, 0)
open("/proc/self/oom_score_adj", "w").write("77"); open("/proc/self/coredump_filter", "w").write("0x7f")
seen = []
signal.signal(signal.SIGUSR1, lambda *a: seen.append("usr1")); signal.signal(signal.SIGALRM, lambda *a: seen.append("alrm"))
signal.signal(signal.SIGUSR2, signal.SIG_IGN); signal.signal(signal.SIGRTMIN, lambda *a: seen.append("rt"))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGRTMIN, signal.SIGCHLD})
os.kill(os.getpid(), signal.SIGUSR1)
for n in range(3): os.kill(os.getpid(), signal.SIGRTMIN)
signal.setitimer(signal.ITIMER_VIRTUAL, 1000, 7)
subprocess.run(["ionice", "-c", "2", "-n", "5", "-p", str(os.getpid())], check=True)
def words():
    status = open("/proc/self/status").read().splitlines()
    keep = ("Name", "Umask", "State", "Uid", "Gid", "Groups", "Sig", "Shd", "Cap", "NoNew", "Cpus_allowed:", "Threads", "THP")
    # SigQ counts the signals that wait for all of a user's processes.
    lines = [l for l in status if l.startswith(keep) and not l.startswith("SigQ")]
    lines += [os.getcwd(), str(os.nice(0)), str(os.sched_getaffinity(0)), subprocess.check_output(["ionice", "-p", str(os.getpid())], text=True)]
    lines += [str(resource.getrlimit(r)) for r in range(16)]
    lines += [open("/proc/self/" + n).read() for n in ("oom_score_adj", "coredump_filter", "personality", "cmdline", "auxv".replace("auxv", "comm"))]
    lines += [os.readlink("/proc/self/" + n) for n in ("exe", "cwd", "root")]
    stat = open("/proc/self/stat").read().rpartition(")")[2].split()
    lines += [str(stat[n - 3]) for n in (26, 27, 28, 38, 45, 46, 47, 48, 49, 50, 51)]
    lines += [str(libc.prctl(n, 0, 0, 0, 0)) for n in (3, 30, 39)]
    lines.append(str(signal.getitimer(signal.ITIMER_VIRTUAL)[1]))
    lines.append(open("/proc/self/auxv", "rb").read().hex())
    return lines
before = words()
signal.setitimer(signal.ITIMER_REAL, 0.7)
print("ready")
while not os.path.exists("../go"):
    try: time.sleep(0.01)
    except InterruptedError: pass
after = words()
for b, a in zip(before, after):
    if b != a: print("differs:", b, "->", a)
time.sleep(1)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGRTMIN})
print(sorted(seen))
""")
    bench.await_line("ready")
    bench.around()
    expect(bench.lines(), ["ready", "['alrm', 'rt', 'usr1']"], "its state")


def leader_exited(bench):
    """The first task has exited, another goes on and ends the process."""
    bench.python(PRELUDE + """
import ctypes, threading
libc = ctypes.CDLL(None)
def rest():
    while open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "Z": time.sleep(0.01)
    r, w = os.pipe(); os.write(w, b"kept")
    before = os.getcwd(), sorted(os.listdir("/proc/self/task"))
    ready()
    print(os.read(r, 9), before == (os.getcwd(), sorted(os.listdir("/proc/self/task"))))
    os._exit(5)
threading.Thread(target=rest).start()
libc.pthread_exit(None)
""")
    bench.await_line("ready")
    bench.around(status=5)
    expect(bench.lines()[1:], ["b'kept' True"], "the rest of it")


def attributes(bench):
    """Of the process, and of each thread for itself: credentials, policies, registrations."""
    bench.start(str(bench.tools / "attributes"))
    bench.await_line("ready")
    bench.around()
    expect(bench.lines(), ["ready", "same"], "its attributes")


def posix_timers(bench):
    bench.start(str(bench.tools / "posix_timers"))
    bench.await_line("ready")
    bench.around()
    expect(bench.lines(), ["ready", "same"], "its timers")


def calls_in_progress(bench):
    """A target left running sees no interrupted call, however often it is looked at."""
    bench.start(str(bench.tools / "interrupted_calls"))
    bench.await_line("ready")
    for _ in range(max(5, 50 // engine.SLOWNESS)):
        bench.checkpoint(leave="running")
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, f"its end; it said\n{bench.text()}")


def restarted_calls(bench):
    """Waits with a time limit that have been stopped and continued before are known for what they are."""
    seconds = 3 * engine.SLOWNESS
    def stopped_and_continued():
        bench.start(str(bench.tools / "restarted_calls"), str(seconds * 1000))
        bench.await_line("ready")
        for _ in range(2):
            bench.checkpoint(leave="running")
            os.kill(bench.process.pid, signal.SIGSTOP)
            os.kill(bench.process.pid, signal.SIGCONT)
    stopped_and_continued()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, f"the original's end; it said\n{bench.text()}")
    stopped_and_continued()
    bench.checkpoint()
    expect(bench.lines(), ["ready"], "what it said before its checkpoint")
    bench.restore()
    expect(bench.lines(), ["ready", "0 faults"], "the restored one")


def stopped(bench):
    bench.python("import os, time\nprint('ready')\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('end')\n")
    bench.await_line("ready")
    os.kill(bench.process.pid, signal.SIGSTOP)
    pid = bench.process.pid
    state_of = lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    wait_until("its stop", lambda: state_of() == "T")
    bench.checkpoint(leave="running")
    expect(state_of(), "T", "its state after the checkpoint")
    bench.checkpoint()
    bench.go()
    # In a pid namespace it is another from here.
    pid = int(bench.restore("--detach").stdout)
    wait_until("its stop again", lambda: state_of() == "T")
    time.sleep(0.2)
    expect(bench.lines(), ["ready"], "what it said while it was stopped")
    os.kill(pid, signal.SIGCONT)
    bench.await_line("end")


# --- C06: memory ---

def memory(bench):
    bench.start(str(bench.tools / "memory_kinds"))
    bench.await_line("ready")
    bench.around()
    expect(bench.lines()[1:], ["same"], "its memory")


def hugetlb(bench):
    """Pages of hugetlbfs: private, shared with a child, and of a memfd that has holes."""
    bench.python(PRELUDE + """
import re
HUGE = int(re.search(r"Hugepagesize: *(\\d+)", open("/proc/meminfo").read())[1]) << 10
HUGETLB = 0x40000
large = bytearray(100 << 20)  # so that it is read from a copy, when it goes on at once
private = mmap.mmap(-1, 2 * HUGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | HUGETLB)
private[HUGE // 2:HUGE // 2 + 4] = b"half"
shared = mmap.mmap(-1, HUGE, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | HUGETLB)
file = os.memfd_create("huge", os.MFD_HUGETLB | os.MFD_ALLOW_SEALING)
os.ftruncate(file, 3 * HUGE)
shown = mmap.mmap(file, HUGE, mmap.MAP_SHARED, offset=2 * HUGE)
shown[HUGE - 4:] = b"last"
fcntl.fcntl(file, 1033, 4)  # F_ADD_SEALS, F_SEAL_GROW
asked, told = os.pipe(), os.pipe()
if os.fork() == 0:
    while word := os.read(asked[0], 4):
        shared[:4] = word
        os.write(told[1], b"x")
    os._exit(0)
def of_child(word):
    os.write(asked[1], word)
    return os.read(told[0], 1) == b"x" and shared[:4]
def kernel_page(m):
    address = ctypes.addressof(ctypes.c_char.from_buffer(m))
    smaps = open("/proc/self/smaps").read()
    return int(re.search(rf"^{address:x}-.*?KernelPageSize: *(\\d+)", smaps, re.M | re.S)[1]) << 10 == HUGE
def state():
    return (private[HUGE // 2:HUGE // 2 + 4], private[-1], shown[HUGE - 4:], os.pread(file, 4, 3 * HUGE - 4), os.pread(file, 4, 0),
            os.fstat(file).st_size // HUGE, fcntl.fcntl(file, 1034), [kernel_page(m) for m in (private, shared, shown)])
of_child(b"once")
before = state()
ready()
private[0:4] = b"more"
print(shared[:4], of_child(b"anew"), private[0:4], before == state() or state())
""")
    bench.await_line("ready")
    for _ in range(2):
        bench.checkpoint(leave="running")
    bench.around()
    expect(bench.lines(), ["ready", "b'once' b'anew' b'more' True"], "its memory")


# --- C07: the pause ---

def copied_while_running(bench):
    """A large process is read from a copy while it runs on, and neither it nor its parent can tell."""
    bench.start(str(bench.tools / "large_memory"))
    bench.await_line("ready")
    pid = bench.process.pid
    for _ in range(3):
        bench.checkpoint("--files", "rewind", leave="running")
    first = bench.image.read_bytes()
    moments = random.Random(SEED)
    for _ in range(max(2, 10 // engine.SLOWNESS)):
        command = subprocess.Popen([bench.retake, "checkpoint", str(pid), "-o", str(bench.image), "--no-fsync", "-q"],
                                   stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.002, 0.1))
        command.kill()
        command.wait()
    bench.go()
    expect(bench.process.wait(timeout=60 * engine.SLOWNESS), 0, "its end")
    expect(bench.lines(), ["ready", "same"], "the original")
    # Its copies are orphans, and so ours here.
    reaper = engine.Reaper()
    wait_until("the end of all copies", lambda: not reaper.poll())
    bench.image.write_bytes(first)
    bench.restore()
    expect(bench.lines(), ["ready", "same"], "the restored one")
