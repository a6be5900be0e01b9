"""One piece of state: set, waited with, and shown before and after.

Run as `program.py GROUP PIECE PORT`: that is of a TCP server outside. Its table is the module GROUP; a piece is (name, what sets it, what shows it). What is
shown goes to the file "result": one line for what it was before the wait, one for what it is after. The wait ends when
there is a file "go". A piece that can't be set here ends with exit status 77 and says why.
"""

import ctypes
import errno
import fcntl
import importlib
import mmap
import os
import pathlib
import platform
import re
import resource
import select
import signal
import socket
import stat
import struct
import sys
import termios
import threading
import time

UNAVAILABLE = 77
PAGE = mmap.PAGESIZE

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# Calls that libc has no function for; the same number on both architectures from 424 on.
NUMBERS = {
    "x86_64": {"shmget": 29, "shmat": 30, "semget": 64, "semctl": 66, "msgget": 68, "msgsnd": 69, "msgctl": 71,
               "mbind": 237, "get_mempolicy": 239, "mq_open": 240, "mq_timedsend": 242, "mq_timedreceive": 243, "add_key": 248,
               "keyctl": 250, "ioprio_set": 251, "ioprio_get": 252, "inotify_init1": 294, "perf_event_open": 298,
               "fanotify_init": 300, "fanotify_mark": 301, "io_setup": 206, "unshare": 272, "seccomp": 317, "bpf": 321,
               "userfaultfd": 323, "mlock2": 325, "pkey_mprotect": 329, "pkey_alloc": 330, "pkey_free": 331, "capget": 125, "capset": 126,
               "sched_setattr": 314, "sched_getattr": 315, "epoll_create1": 291, "mmap": 9, "signalfd4": 289, "eventfd2": 290,
               "timerfd_create": 283, "timerfd_settime": 286, "timerfd_gettime": 287, "personality": 135, "tkill": 200,
               "set_robust_list": 273, "get_robust_list": 274, "rt_sigpending": 127, "rt_tgsigqueueinfo": 297, "clone": 56,
               "rt_sigqueueinfo": 129, "getppid": 110, "sigaltstack": 131, "memfd_create": 319, "name_to_handle_at": 303, "mremap": 25, "madvise": 28, "vmsplice": 278},
    "aarch64": {"shmget": 194, "shmat": 196, "semget": 190, "semctl": 191, "msgget": 186, "msgsnd": 189, "msgctl": 187,
                "mbind": 235, "get_mempolicy": 236, "mq_open": 180, "mq_timedsend": 182, "mq_timedreceive": 183, "add_key": 217,
                "keyctl": 219, "ioprio_set": 30, "ioprio_get": 31, "inotify_init1": 26, "perf_event_open": 241,
                "fanotify_init": 262, "fanotify_mark": 263, "io_setup": 0, "unshare": 97, "seccomp": 277, "bpf": 280,
                "userfaultfd": 282, "mlock2": 284, "pkey_mprotect": 288, "pkey_alloc": 289, "pkey_free": 290, "capget": 90, "capset": 91,
                "sched_setattr": 274, "sched_getattr": 275, "epoll_create1": 20, "mmap": 222, "signalfd4": 74, "eventfd2": 19,
                "timerfd_create": 85, "timerfd_settime": 86, "timerfd_gettime": 87, "personality": 92, "tkill": 130,
                "set_robust_list": 99, "get_robust_list": 100, "rt_sigpending": 136, "rt_tgsigqueueinfo": 240, "clone": 220,
                "rt_sigqueueinfo": 138, "getppid": 173, "sigaltstack": 132, "memfd_create": 279, "name_to_handle_at": 264, "mremap": 216, "madvise": 233, "vmsplice": 75},
}[platform.machine()]
NUMBERS |= {"io_uring_setup": 425, "open_tree": 428, "fsopen": 430, "pidfd_open": 434, "landlock_create_ruleset": 444,
            "landlock_restrict_self": 446, "memfd_secret": 447, "set_mempolicy_home_node": 450, "mseal": 462}


class Unavailable(Exception):
    """The kernel, or one's rights, have no such thing."""


def call(name, *arguments):
    """A call's result; an errno that says that there is no such thing here makes the piece unavailable."""
    result = libc.syscall(NUMBERS[name], *(ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments))
    if result == -1:
        code = ctypes.get_errno()
        if code in (errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EOPNOTSUPP):
            raise Unavailable(f"{name}: {os.strerror(code)}")
        raise OSError(code, name)
    return result


def prctl(option, *arguments):
    result = libc.prctl(option, *(ctypes.c_ulong(a) if isinstance(a, int) else a for a in (*arguments, 0, 0, 0, 0)[:4]))
    if result == -1:
        code = ctypes.get_errno()
        if code in (errno.EINVAL, errno.EPERM, errno.ENXIO, errno.ENODEV):
            raise Unavailable(f"prctl {option}: {os.strerror(code)}")
        raise OSError(code, f"prctl {option}")
    return result


def confine(answers, new_privileges=False):
    """Puts the thread under a seccomp filter that answers calls by these values (SECCOMP_RET_*) and allows all others."""
    load, equals, answer, allow = 0x20, 0x15, 0x06, 0x7FFF0000
    code = [(load, 0, 0, 0)]
    for name, value in answers.items():
        code += [(equals, 0, 1, NUMBERS[name]), (answer, 0, 0, value)]
    code.append((answer, 0, 0, allow))
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
    if not new_privileges:
        prctl(38, 1)
    call("seccomp", 1, 0, ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(instructions))))


def mapped(size=PAGE, prot=3, flags=0x22, fd=-1, offset=0, at=0):
    """The address of new memory."""
    result = call("mmap", at, size, prot, flags, fd & 0xFFFFFFFFFFFFFFFF, offset)
    return result & 0xFFFFFFFFFFFFFFFF


def poke(at, data):
    ctypes.memmove(at, data, len(data))


def peek(at, size=4):
    return ctypes.string_at(at, size)


def is_readable(at):
    """Asked of the kernel: a fault would end this."""
    read, write = os.pipe()
    ok = libc.write(write, ctypes.c_void_p(at), ctypes.c_size_t(1)) == 1
    os.close(read)
    os.close(write)
    return ok


def mapping(at):
    """The permissions and the name of what is mapped there."""
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(word, 16) for word in line.split()[0].split("-"))
        if start <= at < end:
            return line.split()[1], line.split(maxsplit=5)[5] if len(line.split()) > 5 else ""
    return None


def smaps(at, field):
    inside = False
    for line in pathlib.Path("/proc/self/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line)
        if head:
            inside = int(head[1], 16) <= at < int(head[2], 16)
        elif inside and line.startswith(field + ":"):
            return line.partition(":")[2].strip()
    return None


def flag(at, name):
    """Whether a mapping has that flag of VmFlags."""
    return name in (smaps(at, "VmFlags") or "").split()


def status(*names):
    lines = pathlib.Path("/proc/thread-self/status").read_text().splitlines()
    return [line.partition(":")[2].strip() for line in lines if line.partition(":")[0] in names]


def fdinfo(fd, *names):
    lines = pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return [line for line in lines if not names or line.partition(":")[0] in names]


def text(path):
    return pathlib.Path(path).read_text()


def file(name="a", content=b"abcdefgh"):
    pathlib.Path(name).write_bytes(content)
    return name


def errno_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0


def thread(function):
    """One that has done `function`, and then does what it is asked to: its result is what the caller gets."""
    class Worker(threading.Thread):
        def __init__(self):
            super().__init__(daemon=True)
            self.asked, self.answered = threading.Event(), threading.Event()
            self.task, self.result = function, None

        def run(self):
            while True:
                self.result = self.task()
                self.answered.set()
                self.asked.wait()
                self.asked.clear()

        def ask(self, task):
            self.answered.clear()
            self.task = task
            self.asked.set()
            self.answered.wait()
            return self.result

    worker = Worker()
    worker.start()
    worker.answered.wait()
    return worker


def child(function=lambda: None):
    """A child that has done `function`, and waits for its end."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        function()
        os.write(write, b"x")
        os.close(write)
        os.close(read)
        while not os.path.exists("go"):
            time.sleep(0.005)
        time.sleep(1000)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    return pid


class Sigaction(ctypes.Structure):
    """struct sigaction of both architectures' libc."""
    _fields_ = [("handler", ctypes.c_void_p), ("mask", ctypes.c_ulong * 16), ("flags", ctypes.c_int), ("restorer", ctypes.c_void_p)]


def dispatch_of(pid):
    """What a task's calls are dispatched by, as a tracer sees it."""
    libc.ptrace.argtypes = [ctypes.c_long] * 4
    helper = os.fork()
    if helper == 0:
        config = (ctypes.c_uint64 * 4)()
        libc.ptrace(0x4206, pid, 0, 0)
        libc.ptrace(0x4207, pid, 0, 0)
        libc.waitpid(pid, None, 0x40000000)
        libc.ptrace(0x4211, pid, ctypes.sizeof(config), ctypes.addressof(config))
        libc.ptrace(17, pid, 0, 0)
        os._exit(config[0])
    return os.waitstatus_to_exitcode(os.waitpid(helper, 0)[1])


def sigaction(number, flags=None, mask=()):
    action = Sigaction()
    libc.sigaction(number, None, ctypes.byref(action))
    if flags is not None:
        action.flags = flags
        action.mask[0] = sum(1 << (bit - 1) for bit in mask)
        libc.sigaction(number, ctypes.byref(action), None)
    return action.flags, action.mask[0], bool(action.handler)


def main():
    group, name = sys.argv[1], sys.argv[2]
    table = importlib.import_module(group)
    sets, shows = next(piece[1:] for piece in table.PIECES if piece[0] == name)
    scope = dict(globals())
    show = compile(shows.strip(), name, "eval")
    fresh = None
    try:
        fresh = repr(eval(show, scope))
    except Exception:  # what it shows isn't there yet
        pass
    try:
        exec(compile(sets.strip(), name, "exec"), scope)
        before = repr(eval(show, scope)) if "once(" not in shows else None
    except (Unavailable, PermissionError) as reason:
        print("unavailable:", reason, flush=True)
        return UNAVAILABLE
    if before is not None and before == fresh:
        print(f"this sets nothing: {before} before too", flush=True)
        return 1
    print("ready", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.005)
    after = repr(eval(show, scope))
    with open("result", "w") as out:
        out.write(f"{before if before is not None else scope['expected']}\n{after}\n")
    for pid in scope.get("children", []):
        os.kill(pid, signal.SIGKILL)
    os._exit(0)


def once(value):
    """Marks what can be shown only once: `expected` says what it has to be."""
    return value


if __name__ == "__main__":
    sys.modules["program"] = sys.modules["__main__"]
    sys.exit(main())
