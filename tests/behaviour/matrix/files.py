"""Open files, directories, pipes, and locks on them."""

PIECES = [
    ("a file's position", "f = os.open(file(), os.O_RDWR); os.lseek(f, 3, 0)", "os.lseek(f, 0, 1), os.pread(f, 9, 0)"),
    ("a position beyond 4 GiB", "f = os.open(file(), os.O_RDWR); os.lseek(f, 5 << 30, 0)", "os.lseek(f, 0, 1)"),
    ("O_APPEND", "f = os.open(file(), os.O_RDWR | os.O_APPEND)", "fcntl.fcntl(f, fcntl.F_GETFL) & os.O_APPEND"),
    ("O_NONBLOCK", "f = os.open(file(), os.O_RDWR | os.O_NONBLOCK)", "fcntl.fcntl(f, fcntl.F_GETFL) & os.O_NONBLOCK"),
    ("O_DIRECT", """
try: f = os.open(file(), os.O_RDONLY | os.O_DIRECT)
except OSError as e: raise Unavailable("O_DIRECT: " + e.strerror)
""", "fcntl.fcntl(f, fcntl.F_GETFL) & os.O_DIRECT"),
    ("O_NOATIME", "f = os.open(file(), os.O_RDONLY | os.O_NOATIME)", "fcntl.fcntl(f, fcntl.F_GETFL) & os.O_NOATIME"),
    ("O_SYNC", "f = os.open(file(), os.O_RDWR | os.O_SYNC)", "fcntl.fcntl(f, fcntl.F_GETFL) & os.O_SYNC"),
    ("O_PATH", "f = os.open(file(), os.O_PATH)", "fcntl.fcntl(f, fcntl.F_GETFL) & os.O_PATH, os.fstat(f).st_size"),
    ("O_PATH of a symbolic link", "os.symlink('a', 'l'); f = os.open('l', os.O_PATH | os.O_NOFOLLOW)", "stat.S_ISLNK(os.fstat(f).st_mode), os.readlink('', dir_fd=f)"),
    ("O_PATH of a directory", "os.mkdir('d'); file('d/a'); f = os.open('d', os.O_PATH | os.O_DIRECTORY)", "os.stat('a', dir_fd=f).st_size"),
    ("FD_CLOEXEC", "f = os.open(file(), os.O_RDONLY); os.set_inheritable(f, True); g = os.dup(f)", "os.get_inheritable(f), os.get_inheritable(g)"),
    ("a descriptor with a high number", "f = os.open(file(), os.O_RDONLY); os.dup2(f, 1000); os.close(f)", "os.pread(1000, 4, 0)"),
    ("two descriptors of one description", "f = os.open(file(), os.O_RDONLY); g = os.dup(f); os.read(f, 3)", "os.lseek(g, 0, 1), [os.lseek(f, 5, 0), os.lseek(g, 0, 1), os.lseek(f, 3, 0)]"),
    ("two descriptions of one file", "f = os.open(file(), os.O_RDONLY); g = os.open('a', os.O_RDONLY); os.read(f, 3)", "os.lseek(g, 0, 1), os.lseek(f, 0, 1)"),
    ("a description shared with a child", """
f = os.open(file(), os.O_RDONLY); children = [child(lambda: os.lseek(f, 5, 0))]
""", "os.lseek(f, 0, 1)"),
    ("a descriptor that was closed, as 0", "os.close(0)", "errno_of(os.fstat, 0)"),
    ("a file without a name (O_TMPFILE)", """
try: f = os.open('.', os.O_TMPFILE | os.O_RDWR)
except OSError as e: raise Unavailable("O_TMPFILE: " + e.strerror)
os.write(f, b"abcd")
""", "os.pread(f, 9, 0), os.fstat(f).st_nlink"),
    ("a deleted file", "f = os.open(file(), os.O_RDWR); os.unlink('a')", "os.pread(f, 9, 0), os.fstat(f).st_nlink"),
    ("a deleted file with another name", "f = os.open(file(), os.O_RDWR); os.link('a', 'b'); os.unlink('a')", "os.pread(f, 9, 0), os.fstat(f).st_ino == os.stat('b').st_ino"),
    ("a file that was renamed", "f = os.open(file(), os.O_RDWR); os.rename('a', 'b')", "os.pread(f, 9, 0), os.fstat(f).st_ino == os.stat('b').st_ino"),
    ("a file in place of a deleted one", "f = os.open(file(), os.O_RDWR); os.unlink('a'); file(content=b'other')", "os.pread(f, 9, 0), os.fstat(f).st_nlink"),
    ("a file that is only written to", "f = os.open(file(), os.O_WRONLY); os.write(f, b'xy')", "os.lseek(f, 0, 1), errno_of(os.read, f, 1), open('a').read()"),
    ("a file that may not be opened any more", "f = os.open(file(), os.O_RDWR); os.chmod('a', 0)", "os.pread(f, 9, 0), oct(os.fstat(f).st_mode)"),
    ("a file whose rights were more when it was opened", "f = os.open(file(), os.O_RDWR); os.chmod('a', 0o400)", "os.pwrite(f, b'a', 0), oct(os.fstat(f).st_mode)"),
    ("a file with a name of many bytes", "n = 'ü \\n\\\\' + 'x' * 200; f = os.open(file(n), os.O_RDONLY)", "os.pread(f, 9, 0), os.readlink(f'/proc/self/fd/{f}') == os.getcwd() + '/' + n"),
    ("a directory", "os.mkdir('d'); file('d/a'); f = os.open('d', os.O_RDONLY | os.O_DIRECTORY)", "os.listdir(f)"),
    ("a directory that is half read", """
os.mkdir('d'); [file(f'd/{n}') for n in range(5)]; f = os.open('d', os.O_RDONLY | os.O_DIRECTORY)
b = ctypes.create_string_buffer(64); libc.getdents64(f, b, 64)
""", "os.lseek(f, 0, 1)"),
    ("a deleted directory", "os.mkdir('d'); f = os.open('d', os.O_RDONLY | os.O_DIRECTORY); os.rmdir('d')", "os.listdir(f), os.fstat(f).st_nlink"),
    ("the working directory", "os.mkdir('d'); file('go_on'); t = os.getcwd(); os.chdir('/usr/lib'); exists = os.path.exists; os.path.exists = lambda p: exists(t + '/' + p); _open = open\ndef show(): return os.getcwd()\nimport builtins\nbuiltins.open = lambda p, *a: _open(t + '/' + p if p == 'result' else p, *a)", "show()"),
    ("a working directory that was deleted", "t = os.getcwd(); os.mkdir('d'); os.chdir('d'); os.rmdir('../d'); exists = os.path.exists; os.path.exists = lambda p: exists(t + '/' + p); _open = open\nimport builtins\nbuiltins.open = lambda p, *a: _open(t + '/' + p if p == 'result' else p, *a)\ndef show(): return errno_of(os.getcwd), os.stat('.').st_nlink", "show()"),
    ("a file of /proc", "f = os.open('/proc/self/status', os.O_RDONLY)", "os.pread(f, 5, 0)"),
    ("a parameter of the kernel's (/proc/sys)", "f = os.open('/proc/sys/vm/swappiness', os.O_RDONLY); g = os.open('/proc/sys/net/core/somaxconn', os.O_RDONLY); os.read(g, 2)", "os.pread(f, 99, 0), os.pread(g, 99, 0), os.lseek(g, 0, 1)"),
    ("a file of /sys", """
try: f = os.open('/sys/kernel/mm/transparent_hugepage/enabled', os.O_RDONLY)
except OSError as e: raise Unavailable("/sys: " + e.strerror)
""", "len(os.pread(f, 9, 0))"),
    ("the null device", "f = os.open('/dev/null', os.O_RDWR)", "os.write(f, b'x'), os.read(f, 1)"),
    ("the full device", "f = os.open('/dev/full', os.O_RDWR)", "errno_of(os.write, f, b'x')"),
    ("the random device", "f = os.open('/dev/random', os.O_RDONLY)", "len(os.read(f, 9))"),
    ("a pipe's content", "r, w = os.pipe(); os.write(w, b'abcd'); expected = b'abcd'", "once(os.read(r, 9))"),
    ("a pipe's capacity", "r, w = os.pipe(); fcntl.fcntl(w, 1031, 1 << 18)", "fcntl.fcntl(r, 1032)"),
    ("a full pipe", "r, w = os.pipe(); os.set_blocking(w, False); n = os.write(w, b'x' * (1 << 20)); expected = (11, 65536)", "once((errno_of(os.write, w, b'x'), len(os.read(r, 1 << 20))))"),
    ("a pipe of packets", "r, w = os.pipe2(os.O_DIRECT); os.write(w, b'ab'); os.write(w, b'cd'); expected = (b'ab', b'cd')", "once((os.read(r, 9), os.read(r, 9)))"),
    ("a pipe without a reader", "r, w = os.pipe(); os.close(r)", "errno_of(os.write, w, b'x')"),
    ("a pipe without a writer", "r, w = os.pipe(); os.write(w, b'ab'); os.close(w); expected = (b'ab', b'')", "once((os.read(r, 9), os.read(r, 9)))"),
    ("a pipe with a child", "r, w = os.pipe(); children = [child(lambda: os.write(w, b'abcd'))]; expected = b'abcd'", "once(os.read(r, 9))"),
    ("a pipe with pages of a file (splice)", "r, w = os.pipe(); f = os.open(file(content=b'x' * 5000), os.O_RDONLY); os.splice(f, w, 5000); expected = 5000", "once(len(os.read(r, 9999)))"),
    ("a pipe with pages of memory (vmsplice)", "r, w = os.pipe(); m = mapped(); poke(m, b'abcd'); v = (ctypes.c_size_t * 2)(m, 4); call('vmsplice', w, v, 1, 0); expected = b'abcd'", "once(os.read(r, 9))"),
    ("a fifo's content", "os.mkfifo('p'); f = os.open('p', os.O_RDWR); os.write(f, b'abcd'); expected = b'abcd'", "once(os.read(f, 9))"),
    ("a fifo's reader", "os.mkfifo('p'); f = os.open('p', os.O_RDONLY | os.O_NONBLOCK)", "os.read(f, 9), os.fstat(f).st_ino == os.stat('p').st_ino"),
    ("a fifo that was deleted", "os.mkfifo('p'); f = os.open('p', os.O_RDWR); os.unlink('p')", "[os.write(f, b'ab'), os.read(f, 2)]"),
    ("flock, exclusive", "f = os.open(file(), os.O_RDWR); fcntl.flock(f, fcntl.LOCK_EX); g = os.open('a', os.O_RDWR)", "errno_of(fcntl.flock, g, fcntl.LOCK_SH | fcntl.LOCK_NB)"),
    ("flock, shared", "f = os.open(file(), os.O_RDWR); fcntl.flock(f, fcntl.LOCK_SH); g = os.open('a', os.O_RDWR)", "errno_of(fcntl.flock, g, fcntl.LOCK_EX | fcntl.LOCK_NB), errno_of(fcntl.flock, g, fcntl.LOCK_SH | fcntl.LOCK_NB)"),
    ("a record lock", "f = os.open(file(), os.O_RDWR); fcntl.lockf(f, fcntl.LOCK_EX, 3, 2)\ndef probe():\n    pid = os.fork()\n    if pid == 0:\n        os._exit(errno_of(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 2)))\n    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])", "probe()"),
    ("a lock of a description (F_OFD_SETLK)", """
f = os.open(file(), os.O_RDWR); g = os.open('a', os.O_RDWR)
lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2, 3, 0); fcntl.fcntl(f, 37, lock)
""", "errno_of(fcntl.fcntl, g, 37, lock)"),
    ("a lease", "f = os.open(file(), os.O_RDONLY); fcntl.fcntl(f, 1024, fcntl.F_RDLCK)", "fcntl.fcntl(f, 1025)"),
    ("who is signalled of input (F_SETOWN, F_SETSIG)", "r, w = os.pipe(); fcntl.fcntl(r, 8, os.getpid()); fcntl.fcntl(r, 10, 12); fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC); signal.signal(12, signal.SIG_IGN)",
     "fcntl.fcntl(r, 9) == os.getpid(), fcntl.fcntl(r, 11), fcntl.fcntl(r, fcntl.F_GETFL) & os.O_ASYNC"),
    ("a watch of a directory (F_NOTIFY)", "os.mkdir('d'); f = os.open('d', os.O_RDONLY); signal.signal(29, signal.SIG_IGN); fcntl.fcntl(f, 1026, 0x80000004)", "fcntl.fcntl(f, fcntl.F_GETFL)"),
    ("how long a file's data live (F_SET_RW_HINT)", """
f = os.open(file(), os.O_RDWR); h = ctypes.c_uint64(3)
if libc.fcntl(f, 1036, ctypes.byref(h)) != 0: raise Unavailable("F_SET_RW_HINT")
def hint(): h = ctypes.c_uint64(); libc.fcntl(f, 1035, ctypes.byref(h)); return h.value
""", "hint()"),
    ("a memfd", "f = os.memfd_create('x'); os.write(f, b'abcd')", "os.pread(f, 9, 0), os.lseek(f, 0, 1), os.readlink(f'/proc/self/fd/{f}')"),
    ("a memfd's seals", "f = os.memfd_create('x', os.MFD_ALLOW_SEALING); os.write(f, b'abcd'); fcntl.fcntl(f, 1033, 6)", "fcntl.fcntl(f, 1034), os.pread(f, 9, 0)"),
    ("a memfd that may not be executed (MFD_NOEXEC_SEAL)", """
try: f = os.memfd_create('x', 8)
except OSError as e: raise Unavailable("memfd_create: " + e.strerror)
""", "fcntl.fcntl(f, 1034), oct(os.fstat(f).st_mode)"),
    ("a memfd opened for reading", "f = os.memfd_create('x'); os.write(f, b'abcd'); g = os.open(f'/proc/self/fd/{f}', os.O_RDONLY); os.close(f)", "os.read(g, 0), os.pread(g, 9, 0), errno_of(os.write, g, b'x')"),
    ("a pseudoterminal", "m, s = os.openpty(); t = termios.tcgetattr(s); t[3] &= ~termios.ECHO; termios.tcsetattr(s, 0, t)", "termios.tcgetattr(s)[:4], os.isatty(m)"),
    ("a pseudoterminal's size", "m, s = os.openpty(); fcntl.ioctl(s, termios.TIOCSWINSZ, struct.pack('HHHH', 31, 77, 5, 6))", "struct.unpack('HHHH', fcntl.ioctl(m, termios.TIOCGWINSZ, bytes(8)))"),
    ("what waits in a pseudoterminal", "m, s = os.openpty(); os.write(s, b'abcd')", "select.select([m], [], [], 0)[0] == [m]"),
    ("a pseudoterminal whose other end is closed", "m, s = os.openpty(); os.close(m)", "errno_of(os.write, s, b'x')"),
    ("the multiplexer of pseudoterminals, locked", "m = os.open('/dev/ptmx', os.O_RDWR | os.O_NOCTTY)", "struct.unpack('i', fcntl.ioctl(m, 0x80045439, bytes(4))), os.isatty(m)"),
    ("packet mode of a pseudoterminal", "m, s = os.openpty(); fcntl.ioctl(m, termios.TIOCPKT, struct.pack('i', 1))", "struct.unpack('i', fcntl.ioctl(m, 0x80045438, bytes(4)))"),
    ("exclusive use of a terminal", "m, s = os.openpty(); fcntl.ioctl(s, termios.TIOCEXCL)", "struct.unpack('i', fcntl.ioctl(s, 0x80045440, bytes(4)))"),
]
