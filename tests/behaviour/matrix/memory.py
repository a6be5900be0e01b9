"""Memory: what is in it, how it is mapped, and what the kernel was told of it."""

PIECES = [
    ("private memory", "m = mapped(); poke(m, b'abcd')", "peek(m)"),
    ("private memory never written to", "m = mapped(8 * PAGE, 1)", "mapping(m)[0], peek(m + 5 * PAGE)"),
    ("memory that may not be read", "m = mapped(); poke(m, b'abcd'); libc.mprotect(ctypes.c_void_p(m), PAGE, 0)",
     "mapping(m)[0], libc.mprotect(ctypes.c_void_p(m), PAGE, 1), peek(m), libc.mprotect(ctypes.c_void_p(m), PAGE, 0)"),
    ("executable memory", "m = mapped(PAGE, 7); poke(m, b'\\xc3abc')", "mapping(m)[0], peek(m)"),
    ("shared memory without a name", "m = mapped(PAGE, 3, 0x21); poke(m, b'abcd')", "mapping(m)[0], peek(m)"),
    ("shared memory of two processes", """
m = mapped(PAGE, 3, 0x21)
children = [child(lambda: poke(m, b'abcd'))]
""", "peek(m), mapping(m)[0]"),
    ("a private mapping of a file", "f = open(file(), 'rb'); m = mapped(PAGE, 1, 2, f.fileno()); f.close()", "peek(m), mapping(m)[1].endswith('/a')"),
    ("a private mapping of a file, written to", "f = open(file(content=b'x' * 3 * PAGE), 'rb'); m = mapped(3 * PAGE, 3, 2, f.fileno()); poke(m + PAGE, b'new')",
     "peek(m), peek(m + PAGE), peek(m + 2 * PAGE)"),
    ("a shared mapping of a file", "f = open(file(), 'r+b'); m = mapped(PAGE, 3, 1, f.fileno()); poke(m, b'new!')", "peek(m), open('a', 'rb').read()"),
    ("a mapping that is longer than its file", "f = open(file(), 'r+b'); m = mapped(3 * PAGE, 3, 1, f.fileno())",
     "peek(m), is_readable(m + 2 * PAGE)"),
    ("a mapping of a file's middle", "f = open(file(content=bytes(2 * PAGE) + b'middle'), 'rb'); m = mapped(PAGE, 1, 2, f.fileno(), 2 * PAGE)", "peek(m, 6)"),
    ("a mapping of a file without a name", "f = open(file(), 'r+b'); os.unlink('a'); m = mapped(PAGE, 3, 1, f.fileno())", "peek(m)"),
    ("a mapping of /dev/zero", "f = os.open('/dev/zero', os.O_RDWR); m = mapped(PAGE, 3, 2, f); os.close(f); poke(m, b'abcd')", "peek(m)"),
    ("a shared mapping of /dev/zero", "f = os.open('/dev/zero', os.O_RDWR); m = mapped(PAGE, 3, 1, f); os.close(f); poke(m, b'abcd')", "peek(m), mapping(m)[0]"),
    ("a hole in a mapping", "m = mapped(3 * PAGE); libc.munmap(ctypes.c_void_p(m + PAGE), PAGE); poke(m + 2 * PAGE, b'abcd')",
     "peek(m + 2 * PAGE), mapping(m + PAGE), is_readable(m + PAGE)"),
    ("memory at a low address", "m = mapped(PAGE, 3, 0x100022, at=0x10000); poke(m, b'abcd')", "peek(0x10000) if mapping(0x10000) else None"),
    ("memory that was moved", "m = mapped(PAGE); poke(m, b'abcd'); t = mapped(2 * PAGE, 0); call('mremap', m, PAGE, 2 * PAGE, 3, t)", "peek(t), mapping(t)[0]"),
    ("the program break", "libc.sbrk.restype = ctypes.c_void_p; b = libc.sbrk(0); libc.sbrk(5 * PAGE); poke(b, b'abcd')", "libc.sbrk(0) - b, peek(b)"),
    ("a mapping that grows downwards", "m = mapped(PAGE, 3, 0x122)", "flag(m, 'gd')"),
    ("memory without reserve", "m = mapped(PAGE, 3, 0x4022)", "flag(m, 'nr')"),
    ("memory that may be dropped (MAP_DROPPABLE)", """
try: m = mapped(PAGE, 3, 0x28)
except OSError as e: raise Unavailable("mmap: " + os.strerror(e.errno))
""", "flag(m, 'dp'), smaps(m, 'VmFlags')"),
    ("locked memory", "m = mapped(); libc.mlock(ctypes.c_void_p(m), PAGE)", "flag(m, 'lo'), smaps(m, 'VmFlags')"),
    ("memory locked as it is touched (MLOCK_ONFAULT)", "m = mapped(8 * PAGE); call('mlock2', m, 8 * PAGE, 1)", "flag(m, 'lo'), smaps(m, 'Locked')"),
    ("locking of all future memory (MCL_FUTURE)", """
resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.getrlimit(resource.RLIMIT_MEMLOCK)[1],) * 2)
if libc.mlockall(2) != 0: raise Unavailable("mlockall")
""", "flag(mapped(), 'lo')"),
    ("MADV_DONTFORK", "m = mapped(); libc.madvise(ctypes.c_void_p(m), PAGE, 10)", "flag(m, 'dc')"),
    ("MADV_WIPEONFORK", "m = mapped(); libc.madvise(ctypes.c_void_p(m), PAGE, 18)", "flag(m, 'wf')"),
    ("MADV_DONTDUMP", "m = mapped(); libc.madvise(ctypes.c_void_p(m), PAGE, 16)", "flag(m, 'dd')"),
    ("MADV_HUGEPAGE", "m = mapped(4 << 20); libc.madvise(ctypes.c_void_p(m), 4 << 20, 14)", "flag(m, 'hg')"),
    ("MADV_NOHUGEPAGE", "m = mapped(4 << 20); libc.madvise(ctypes.c_void_p(m), 4 << 20, 15)", "flag(m, 'nh')"),
    ("MADV_MERGEABLE", "m = mapped(); libc.madvise(ctypes.c_void_p(m), PAGE, 12)", "flag(m, 'mg')"),
    ("MADV_SEQUENTIAL", "f = open(file(), 'rb'); m = mapped(PAGE, 1, 2, f.fileno()); libc.madvise(ctypes.c_void_p(m), PAGE, 2)", "flag(m, 'sr')"),
    ("MADV_RANDOM", "f = open(file(), 'rb'); m = mapped(PAGE, 1, 2, f.fileno()); libc.madvise(ctypes.c_void_p(m), PAGE, 1)", "flag(m, 'rr')"),
    ("guard pages of MADV_GUARD_INSTALL", """
m = mapped(3 * PAGE); poke(m, b'abcd')
if libc.madvise(ctypes.c_void_p(m + PAGE), PAGE, 102) != 0: raise Unavailable("madvise")
""", "is_readable(m), is_readable(m + PAGE), is_readable(m + 2 * PAGE)"),
    ("sealed memory (mseal)", "m = mapped(); poke(m, b'abcd'); call('mseal', m, PAGE, 0)", "peek(m), libc.munmap(ctypes.c_void_p(m), PAGE)"),
    ("a protection key", """
try: key = call('pkey_alloc', 0, 0)
except OSError as e: raise Unavailable("pkey_alloc: " + os.strerror(e.errno))
m = mapped(); poke(m, b'abcd'); call('pkey_mprotect', m, PAGE, 3, key)
""", "smaps(m, 'ProtectionKey'), peek(m)"),
    ("what a protection key forbids", """
try: key = call('pkey_alloc', 0, 0)
except OSError as e: raise Unavailable("pkey_alloc: " + os.strerror(e.errno))
libc.pkey_set(key, 2)
def next_key():
    other = call('pkey_alloc', 0, 0)
    call('pkey_free', other)
    return other - key
""", "libc.pkey_get(key), next_key()"),
    ("huge pages of hugetlbfs", """
try: m = mapped(2 << 20, 3, 0x40022)
except OSError as e: raise Unavailable("mmap: " + os.strerror(e.errno))
if int(re.search(r"HugePages_Free: *(\\d+)", text("/proc/meminfo"))[1]) == 0: raise Unavailable("no huge page is free")
poke(m, b'abcd')
""", "peek(m)"),
    ("memory that userfaultfd watches", """
u = call('userfaultfd', os.O_CLOEXEC | 1)
api = bytearray(struct.pack("QQQ", 0xAA, 0, 0)); fcntl.ioctl(u, 0xC018AA3F, api)
m = mapped(); fcntl.ioctl(u, 0xC020AA00, bytearray(struct.pack("QQQQ", m, PAGE, 1, 0)))
""", "flag(m, 'um')"),
    ("secret memory (memfd_secret)", """
s = call('memfd_secret', 0); os.ftruncate(s, PAGE); m = mapped(PAGE, 3, 1, s); poke(m, b'abcd')
""", "peek(m)"),
    ("a NUMA policy of memory", """
m = mapped(); poke(m, b'x'); nodes = ctypes.c_ulong(1); call('mbind', m, PAGE, 2, ctypes.byref(nodes), 64, 0)
def policy():
    mode = ctypes.c_int(-1); mask = ctypes.c_ulong(); call('get_mempolicy', ctypes.byref(mode), ctypes.byref(mask), 64, m, 2)
    return mode.value, mask.value
""", "policy()"),
    ("a NUMA policy of shared memory", """
m = mapped(PAGE, 3, 0x21); poke(m, b'x'); nodes = ctypes.c_ulong(1); call('mbind', m, PAGE, 2, ctypes.byref(nodes), 64, 0)
""", "peek(m)"),
    ("a name of memory (PR_SET_VMA_ANON_NAME)", "m = mapped(); poke(m, b'x'); prctl(0x53564d41, 0, m, PAGE, ctypes.c_char_p(b'a name'))", "mapping(m)[1]"),
    ("merging of all memory (PR_SET_MEMORY_MERGE)", "prctl(67, 1)", "prctl(68)"),
    ("no huge pages (PR_SET_THP_DISABLE)", "prctl(41, 1)", "prctl(42)"),
    ("no executable memory to come (PR_SET_MDWE)", "prctl(65, 1)", "prctl(66)"),
    ("System V shared memory", "i = call('shmget', 0, PAGE, 0o1600); m = call('shmat', i, 0, 0); libc.shmctl(i, 0, None); poke(m, b'abcd')",
     "peek(m), mapping(m)[0]"),
    ("a memfd's memory", "f = os.memfd_create('x'); os.ftruncate(f, PAGE); m = mapped(PAGE, 3, 1, f); poke(m, b'abcd')", "peek(m), os.pread(f, 4, 0)"),
    ("what is dumped in a core", "open('/proc/self/coredump_filter', 'w').write('0x7f')", "text('/proc/self/coredump_filter')"),
    ("the words of its command line, written over", "a = int(text('/proc/self/stat').rpartition(')')[2].split()[45]); poke(a, b'renamed')", "text('/proc/self/cmdline')[:7]"),
]
