"""What else has a descriptor: events, timers, watches, rings, programs of the kernel's."""

PIECES = [
    ("an eventfd's count", "f = os.eventfd(0, 0); os.eventfd_write(f, 7); expected = 7", "once(os.eventfd_read(f))"),
    ("an eventfd that is a semaphore", "f = os.eventfd(3, os.EFD_SEMAPHORE | os.EFD_NONBLOCK); expected = [1, 1, 1]", "once([os.eventfd_read(f) for i in range(3)])"),
    ("a timerfd", "f = call('timerfd_create', 1, 0); call('timerfd_settime', f, 0, ctypes.c_char_p(struct.pack('QQQQ', 7, 0, 1000, 0)), 0)\ndef left(): b = ctypes.create_string_buffer(32); call('timerfd_gettime', f, b); return struct.unpack('QQQQ', b.raw)", "left()[0], 900 < left()[2] <= 1000, fdinfo(f, 'clockid', 'settime flags')"),
    ("a timerfd at an absolute time", "f = call('timerfd_create', 0, 0); call('timerfd_settime', f, 1, ctypes.c_char_p(struct.pack('QQQQ', 0, 0, 1 << 33, 0)), 0)", "fdinfo(f, 'clockid', 'settime flags')"),
    ("a timerfd that tells of a set clock", "f = call('timerfd_create', 0, 0); call('timerfd_settime', f, 3, ctypes.c_char_p(struct.pack('QQQQ', 0, 0, 1 << 33, 0)), 0)", "fdinfo(f, 'clockid', 'settime flags')"),
    ("a timerfd's expirations", "f = call('timerfd_create', 1, os.O_NONBLOCK); call('timerfd_settime', f, 0, ctypes.c_char_p(struct.pack('QQQQ', 0, 0, 0, 1000000)), 0); time.sleep(0.01); expected = (1,)", "once(struct.unpack('Q', os.read(f, 8)))"),
    ("a timerfd of CLOCK_BOOTTIME", "f = call('timerfd_create', 7, 0)", "fdinfo(f, 'clockid')"),
    ("a signalfd", "m = ctypes.c_uint64(1 << 11); f = call('signalfd4', ctypes.c_long(-1), ctypes.byref(m), 8, 0)", "fdinfo(f, 'sigmask')"),
    ("an epoll's watches", "r, w = os.pipe(); e = select.epoll(); e.register(r, select.EPOLLIN | select.EPOLLET); e.register(w, 0)", "sorted(re.sub(' ino:.*', '', l) for l in fdinfo(e.fileno(), 'tfd'))"),
    ("an epoll of one shot, taken", "r, w = os.pipe(); e = select.epoll(); e.register(r, select.EPOLLIN | select.EPOLLONESHOT); os.write(w, b'x'); e.poll(0)", "e.poll(0), [re.sub(' ino:.*', '', l) for l in fdinfo(e.fileno(), 'tfd')]"),
    ("an epoll of one shot, taken, of what has nothing more", "r, w = os.pipe(); e = select.epoll(); e.register(r, select.EPOLLIN | select.EPOLLONESHOT); os.write(w, b'x'); e.poll(0); os.read(r, 1)", "e.poll(0), [re.sub(' ino:.*', '', l) for l in fdinfo(e.fileno(), 'tfd')]"),
    ("an epoll in an epoll", "r, w = os.pipe(); e = select.epoll(); e.register(r, select.EPOLLIN); o = select.epoll(); o.register(e.fileno(), select.EPOLLIN); os.write(w, b'x')", "len(o.poll(0)), len(e.poll(0))"),
    ("an epoll that watches a description under a closed number", "r, w = os.pipe(); k = os.dup(r); e = select.epoll(); e.register(k, select.EPOLLIN); os.close(k); os.write(w, b'x')", "len(e.poll(0))"),
    ("an inotify's watches", "f = call('inotify_init1', 0); libc.inotify_add_watch(f, b'.', 0x100)", "[re.sub(' ino:.*', '', l) for l in fdinfo(f, 'inotify wd') or [l for l in fdinfo(f) if l.startswith('inotify')]]"),
    ("an inotify's events that wait", "f = call('inotify_init1', os.O_NONBLOCK); os.mkdir('d'); libc.inotify_add_watch(f, b'd', 0x100); file('d/b')", "struct.unpack('i', fcntl.ioctl(f, termios.FIONREAD, bytes(4)))"),
    ("an inotify without watches", "f = call('inotify_init1', os.O_NONBLOCK)", "errno_of(os.read, f, 99)"),
    ("a fanotify group", "f = call('fanotify_init', 0x200, 0)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a pidfd of itself", "f = os.pidfd_open(os.getpid())", "fdinfo(f, 'Pid') == [f'Pid:\\t{os.getpid()}'], errno_of(signal.pidfd_send_signal, f, 0)"),
    ("a pidfd of a child", "children = [child()]; f = os.pidfd_open(children[0])", "errno_of(signal.pidfd_send_signal, f, 0)"),
    ("a pidfd of a child that has ended", "children = [child()]; f = os.pidfd_open(children[0]); os.kill(children[0], 9); select.select([f], [], [])", "fdinfo(f, 'Pid') == [f'Pid:\\t{children[0]}'], select.select([f], [], [], 0)[0] == [f]"),
    ("a pidfd of a child that was reaped", "c = child(); f = os.pidfd_open(c); os.kill(c, 9); os.waitpid(c, 0)", "fdinfo(f, 'Pid'), errno_of(signal.pidfd_send_signal, f, 0), select.select([f], [], [], 0)[0] == [f]"),
    ("a pidfd that an epoll watches", "children = [child()]; f = os.pidfd_open(children[0]); e = select.epoll(); e.register(f, select.EPOLLIN)", "e.poll(0), len(fdinfo(e.fileno(), 'tfd'))"),
    ("a pidfd that doesn't block", "f = os.pidfd_open(os.getpid(), os.O_NONBLOCK)", "os.get_blocking(f)"),
    ("two descriptors of one pidfd", "f = os.pidfd_open(os.getpid()); g = os.dup(f); os.set_blocking(g, False)", "os.get_blocking(f)"),
    ("a pidfd of a stranger", "f = os.pidfd_open(1)", "fdinfo(f, 'Pid')"),
    ("a userfaultfd", "f = call('userfaultfd', 1)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("an io_uring", "p = ctypes.create_string_buffer(120); f = call('io_uring_setup', 4, p)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("an asynchronous I/O context (io_setup)", "c = ctypes.c_ulong(0); call('io_setup', 4, ctypes.byref(c))", "mapping(c.value)"),
    ("a performance event", """
a = ctypes.create_string_buffer(128); struct.pack_into("IIQ", a, 0, 1, 128, 1); 
try: f = call('perf_event_open', a, 0, ctypes.c_long(-1), ctypes.c_long(-1), 0)
except OSError as e: raise Unavailable("perf_event_open: " + os.strerror(e.errno))
""", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a map of the kernel's programs (bpf)", "a = ctypes.create_string_buffer(struct.pack('IIII', 2, 4, 4, 1), 128); f = call('bpf', 0, a, 128)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a set of rules of Landlock", "a = ctypes.create_string_buffer(struct.pack('Q', 1), 8); f = call('landlock_create_ruleset', a, 8, 0)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a seccomp listener", """
filter = struct.pack("HBBI", 6, 0, 0, 0x7fff0000); b = ctypes.create_string_buffer(filter); f_ = struct.pack("HxxxxxxQ", 1, ctypes.addressof(b)); p = ctypes.create_string_buffer(f_)
prctl(38, 1); f = call('seccomp', 1, 8, p)
""", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a namespace", "f = os.open('/proc/self/ns/uts', os.O_RDONLY)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a POSIX message queue", """
name = f"retake-{os.getpid()}".encode(); f = libc.mq_open(b"/" + name, os.O_RDWR | os.O_CREAT, 0o600, None)
if f < 0: raise Unavailable("mq_open: " + os.strerror(ctypes.get_errno()))
libc.mq_unlink(b"/" + name); call('mq_timedsend', f, ctypes.c_char_p(b'abcd'), 4, 0, 0)
""", "fdinfo(f)[-1]"),
    ("a file system in the making (fsopen)", "f = call('fsopen', ctypes.c_char_p(b'tmpfs'), 0)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a detached mount (open_tree)", "f = call('open_tree', ctypes.c_long(-100), ctypes.c_char_p(b'/usr'), 1)", "'bin' in os.listdir(f'/proc/self/fd/{f}'), 'etc' in os.listdir(f'/proc/self/fd/{f}')"),
    ("the device of FUSE", "if not os.path.exists('/dev/fuse'): raise Unavailable('/dev/fuse')\nf = os.open('/dev/fuse', os.O_RDWR)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("the device of network tunnels", "if not os.path.exists('/dev/net/tun'): raise Unavailable('/dev/net/tun')\nf = os.open('/dev/net/tun', os.O_RDWR)", "os.readlink(f'/proc/self/fd/{f}')"),
    ("a System V semaphore's undoing", """
i = call('semget', 0, 1, 0o1600); libc.semop(i, struct.pack("Hhh", 0, 1, 0o10000), 1)
def left():
    pid = os.fork()
    if pid == 0: os._exit(libc.semctl(i, 0, 12))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
""", "left()"),
    ("a message in a System V queue", "i = call('msgget', 0, 0o1600); m = ctypes.create_string_buffer(struct.pack('q4s', 1, b'abcd')); call('msgsnd', i, m, 4, 0)", "libc.msgrcv(i, m, 4, 0, 0o4000 | 0o40000)" ),
]
