// ioctl, by request number.
//
// A request that is in no row has unknown outputs, however plainly the direction and size bits of
// its number speak: too many drivers lie about both. Values: include/uapi/asm-generic/ioctls.h and
// the headers named at each group, of Linux 6.18; the same on x86_64 and aarch64.
#include "syscalls/requests.h"

namespace retake {
namespace {

// include/uapi/asm-generic/ioctl.h
constexpr uint32_t Code(uint32_t direction, uint32_t type, uint32_t number, uint32_t size) {
  return direction << 30 | size << 16 | type << 8 | number;
}
constexpr uint32_t Io(uint32_t type, uint32_t number) { return Code(0, type, number, 0); }
constexpr uint32_t Iow(uint32_t type, uint32_t number, uint32_t size) {
  return Code(1, type, number, size);
}
constexpr uint32_t Ior(uint32_t type, uint32_t number, uint32_t size) {
  return Code(2, type, number, size);
}
constexpr uint32_t Iowr(uint32_t type, uint32_t number, uint32_t size) {
  return Code(3, type, number, size);
}
// Requests whose number holds the size of the program's buffer.
constexpr uint32_t kAnySize = 0xc000ffff;

// One request by what its argument is.
constexpr SubRow None(uint32_t value, std::string_view name) { return Request(value, name); }
constexpr SubRow Number(uint32_t value, std::string_view name) {
  return Request(value, name, Int("arg"));
}
constexpr SubRow Gives(uint32_t value, std::string_view name, Type type) {
  return Request(value, name, Out("argp", type));
}
constexpr SubRow Gives(uint32_t value, std::string_view name, uint32_t size) {
  return Request(value, name, Out("argp", Type::kOpaque, Bytes(size)));
}
constexpr SubRow Takes(uint32_t value, std::string_view name, Type type) {
  return Request(value, name, In("argp", type));
}
constexpr SubRow Takes(uint32_t value, std::string_view name, uint32_t size) {
  return Request(value, name, In("argp", Type::kOpaque, Bytes(size)));
}
constexpr SubRow Changes(uint32_t value, std::string_view name, Type type) {
  return Request(value, name, InOut("argp", type));
}
constexpr SubRow Changes(uint32_t value, std::string_view name, uint32_t size) {
  return Request(value, name, InOut("argp", Type::kOpaque, Bytes(size)));
}
// Knows of no bound: page difference.
constexpr SubRow Unbounded(uint32_t value, std::string_view name) {
  return Request(value, name, Address("argp")).Unknown();
}

constexpr uint32_t kIfreq = 40;   // struct ifreq
constexpr uint32_t kArpreq = 68;  // struct arpreq

constexpr SubRow kIoctlRows[] = {
    // Terminals: asm-generic/ioctls.h.
    Gives(0x5401, "TCGETS", Type::kTermios),
    Takes(0x5402, "TCSETS", Type::kTermios),
    Takes(0x5403, "TCSETSW", Type::kTermios),
    Takes(0x5404, "TCSETSF", Type::kTermios),
    Gives(0x5405, "TCGETA", 18),
    Takes(0x5406, "TCSETA", 18),
    Takes(0x5407, "TCSETAW", 18),
    Takes(0x5408, "TCSETAF", 18),
    Number(0x5409, "TCSBRK"),
    Request(0x540A, "TCXONC", Enum("arg", Set::kTcflow)),
    Request(0x540B, "TCFLSH", Enum("arg", Set::kTciflush)),
    None(0x540C, "TIOCEXCL"),
    None(0x540D, "TIOCNXCL"),
    Number(0x540E, "TIOCSCTTY"),
    Gives(0x540F, "TIOCGPGRP", Type::kIntWord),
    Takes(0x5410, "TIOCSPGRP", Type::kIntWord),
    Gives(0x5411, "TIOCOUTQ", Type::kIntWord),
    Takes(0x5412, "TIOCSTI", 1),
    Gives(0x5413, "TIOCGWINSZ", Type::kWinsize),
    Takes(0x5414, "TIOCSWINSZ", Type::kWinsize),
    Gives(0x5415, "TIOCMGET", Type::kIntWord),
    Takes(0x5416, "TIOCMBIS", Type::kIntWord),
    Takes(0x5417, "TIOCMBIC", Type::kIntWord),
    Takes(0x5418, "TIOCMSET", Type::kIntWord),
    Gives(0x5419, "TIOCGSOFTCAR", Type::kIntWord),
    Takes(0x541A, "TIOCSSOFTCAR", Type::kIntWord),
    Gives(0x541B, "FIONREAD", Type::kIntWord),
    Unbounded(0x541C, "TIOCLINUX"),
    None(0x541D, "TIOCCONS"),
    Gives(0x541E, "TIOCGSERIAL", 72),
    Takes(0x541F, "TIOCSSERIAL", 72),
    Takes(0x5420, "TIOCPKT", Type::kIntWord),
    Takes(0x5421, "FIONBIO", Type::kIntWord),
    None(0x5422, "TIOCNOTTY"),
    Takes(0x5423, "TIOCSETD", Type::kIntWord),
    Gives(0x5424, "TIOCGETD", Type::kIntWord),
    Number(0x5425, "TCSBRKP"),
    None(0x5427, "TIOCSBRK"),
    None(0x5428, "TIOCCBRK"),
    Gives(0x5429, "TIOCGSID", Type::kIntWord),
    Gives(Ior('T', 0x2A, 44), "TCGETS2", Type::kTermios2),
    Takes(Iow('T', 0x2B, 44), "TCSETS2", Type::kTermios2),
    Takes(Iow('T', 0x2C, 44), "TCSETSW2", Type::kTermios2),
    Takes(Iow('T', 0x2D, 44), "TCSETSF2", Type::kTermios2),
    Gives(0x542E, "TIOCGRS485", 32),
    Changes(0x542F, "TIOCSRS485", 32),
    Gives(Ior('T', 0x30, 4), "TIOCGPTN", Type::kUintWord),
    Takes(Iow('T', 0x31, 4), "TIOCSPTLCK", Type::kIntWord),
    Gives(Ior('T', 0x32, 4), "TIOCGDEV", Type::kUintWord),
    Number(Iow('T', 0x36, 4), "TIOCSIG"),
    None(0x5437, "TIOCVHANGUP"),
    Gives(Ior('T', 0x38, 4), "TIOCGPKT", Type::kIntWord),
    Gives(Ior('T', 0x39, 4), "TIOCGPTLCK", Type::kIntWord),
    Gives(Ior('T', 0x40, 4), "TIOCGEXCL", Type::kIntWord),
    Request(Io('T', 0x41), "TIOCGPTPEER", Flags("flags", Set::kOpen)).Opens(),
    None(0x5450, "FIONCLEX"),
    None(0x5451, "FIOCLEX"),
    Takes(0x5452, "FIOASYNC", Type::kIntWord),
    Gives(0x5459, "TIOCSERGETLSR", Type::kIntWord),
    Number(0x545C, "TIOCMIWAIT"),
    Gives(0x545D, "TIOCGICOUNT", 80),
    Gives(0x5460, "FIOQSIZE", Type::kLongWord),
    // Consoles: linux/kd.h, linux/vt.h.
    Gives(0x4B31, "KDGETLED", 1),
    Number(0x4B32, "KDSETLED"),
    Gives(0x4B33, "KDGKBTYPE", 1),
    Number(0x4B3A, "KDSETMODE"),
    Gives(0x4B3B, "KDGETMODE", Type::kIntWord),
    Gives(0x4B44, "KDGKBMODE", Type::kIntWord),
    Number(0x4B45, "KDSKBMODE"),
    Changes(0x4B46, "KDGKBENT", 4),
    Takes(0x4B47, "KDSKBENT", 4),
    Gives(0x5600, "VT_OPENQRY", Type::kIntWord),
    Gives(0x5601, "VT_GETMODE", 8),
    Takes(0x5602, "VT_SETMODE", 8),
    Gives(0x5603, "VT_GETSTATE", 6),
    Number(0x5605, "VT_RELDISP"),
    Number(0x5606, "VT_ACTIVATE"),
    Number(0x5607, "VT_WAITACTIVE"),
    // Sockets: asm-generic/sockios.h, linux/sockios.h.
    Takes(0x8901, "FIOSETOWN", Type::kIntWord),
    Takes(0x8902, "SIOCSPGRP", Type::kIntWord),
    Gives(0x8903, "FIOGETOWN", Type::kIntWord),
    Gives(0x8904, "SIOCGPGRP", Type::kIntWord),
    Gives(0x8905, "SIOCATMARK", Type::kIntWord),
    Gives(0x8906, "SIOCGSTAMP", Type::kTimeval),
    Gives(0x8907, "SIOCGSTAMPNS", Type::kTimespec),
    Gives(Ior(0x89, 0x06, 16), "SIOCGSTAMP_NEW", Type::kTimeval),
    Gives(Ior(0x89, 0x07, 16), "SIOCGSTAMPNS_NEW", Type::kTimespec),
    Takes(0x890B, "SIOCADDRT", 120),
    Takes(0x890C, "SIOCDELRT", 120),
    Changes(0x8910, "SIOCGIFNAME", kIfreq),
    Unbounded(0x8912, "SIOCGIFCONF"),
    Changes(0x8913, "SIOCGIFFLAGS", kIfreq),
    Takes(0x8914, "SIOCSIFFLAGS", kIfreq),
    Changes(0x8915, "SIOCGIFADDR", kIfreq),
    Takes(0x8916, "SIOCSIFADDR", kIfreq),
    Changes(0x8917, "SIOCGIFDSTADDR", kIfreq),
    Takes(0x8918, "SIOCSIFDSTADDR", kIfreq),
    Changes(0x8919, "SIOCGIFBRDADDR", kIfreq),
    Takes(0x891A, "SIOCSIFBRDADDR", kIfreq),
    Changes(0x891B, "SIOCGIFNETMASK", kIfreq),
    Takes(0x891C, "SIOCSIFNETMASK", kIfreq),
    Changes(0x891D, "SIOCGIFMETRIC", kIfreq),
    Takes(0x891E, "SIOCSIFMETRIC", kIfreq),
    Changes(0x8921, "SIOCGIFMTU", kIfreq),
    Takes(0x8922, "SIOCSIFMTU", kIfreq),
    Takes(0x8923, "SIOCSIFNAME", kIfreq),
    Takes(0x8924, "SIOCSIFHWADDR", kIfreq),
    Changes(0x8927, "SIOCGIFHWADDR", kIfreq),
    Takes(0x8931, "SIOCADDMULTI", kIfreq),
    Takes(0x8932, "SIOCDELMULTI", kIfreq),
    Changes(0x8933, "SIOCGIFINDEX", kIfreq),
    Changes(0x8942, "SIOCGIFTXQLEN", kIfreq),
    Takes(0x8943, "SIOCSIFTXQLEN", kIfreq),
    Unbounded(0x8946, "SIOCETHTOOL"),
    Unbounded(0x8947, "SIOCGMIIPHY"),
    Takes(0x8953, "SIOCDARP", kArpreq),
    Changes(0x8954, "SIOCGARP", kArpreq),
    Takes(0x8955, "SIOCSARP", kArpreq),
    Changes(0x8970, "SIOCGIFMAP", kIfreq),
    Gives(0x894B, "SIOCOUTQNSD", Type::kIntWord),
    None(0x894C, "SIOCGSKNS").Opens(),
    Unbounded(0x8B01, "SIOCGIWNAME"),
    Unbounded(0x8B1B, "SIOCGIWESSID"),
    // Files: linux/fs.h, linux/fiemap.h, linux/fscrypt.h.
    Changes(1, "FIBMAP", Type::kIntWord),
    Gives(2, "FIGETBSZ", Type::kIntWord),
    Changes(Iowr('X', 119, 4), "FIFREEZE", Type::kIntWord),
    Changes(Iowr('X', 120, 4), "FITHAW", Type::kIntWord),
    Changes(Iowr('X', 121, 24), "FITRIM", 24),
    Request(Iow(0x94, 9, 4), "FICLONE", FdArg("src_fd")),
    Takes(Iow(0x94, 13, 32), "FICLONERANGE", 32),
    Unbounded(Iowr(0x94, 54, 24), "FIDEDUPERANGE"),
    Gives(Ior(0x94, 49, 256), "FS_IOC_GETFSLABEL", 256),
    Takes(Iow(0x94, 50, 256), "FS_IOC_SETFSLABEL", 256),
    // Declared with a long, but read and written as an int.
    Gives(Ior('f', 1, 8), "FS_IOC_GETFLAGS", Type::kUintWord),
    Takes(Iow('f', 2, 8), "FS_IOC_SETFLAGS", Type::kUintWord),
    Gives(Ior('v', 1, 8), "FS_IOC_GETVERSION", Type::kIntWord),
    Takes(Iow('v', 2, 8), "FS_IOC_SETVERSION", Type::kIntWord),
    Unbounded(Iowr('f', 11, 32), "FS_IOC_FIEMAP"),
    Gives(Ior('X', 31, 28), "FS_IOC_FSGETXATTR", 28),
    Takes(Iow('X', 32, 28), "FS_IOC_FSSETXATTR", 28),
    Gives(Ior(0x15, 0, 17), "FS_IOC_GETFSUUID", 17),
    Gives(Ior(0x15, 1, 129), "FS_IOC_GETFSSYSFSPATH", 129),
    Takes(Ior('f', 19, 12), "FS_IOC_SET_ENCRYPTION_POLICY", 12),
    Takes(Iow('f', 20, 16), "FS_IOC_GET_ENCRYPTION_PWSALT", 16).Unknown(),
    Gives(Iow('f', 21, 12), "FS_IOC_GET_ENCRYPTION_POLICY", 12),
    Unbounded(Iowr('f', 22, 9), "FS_IOC_GET_ENCRYPTION_POLICY_EX"),
    Unbounded(Iow('f', 133, 128), "FS_IOC_ENABLE_VERITY"),
    Unbounded(Iowr('f', 134, 4), "FS_IOC_MEASURE_VERITY"),
    Unbounded(Iowr('f', 16, 96), "PAGEMAP_SCAN"),
    Unbounded(Iowr('f', 17, 104), "PROCMAP_QUERY"),
    // Block devices: linux/fs.h, linux/hdreg.h, linux/loop.h, linux/cdrom.h.
    Takes(0x125D, "BLKROSET", Type::kIntWord),
    Gives(0x125E, "BLKROGET", Type::kIntWord),
    None(0x125F, "BLKRRPART"),
    Gives(0x1260, "BLKGETSIZE", Type::kLongWord),
    None(0x1261, "BLKFLSBUF"),
    Number(0x1262, "BLKRASET"),
    Gives(0x1263, "BLKRAGET", Type::kLongWord),
    Number(0x1264, "BLKFRASET"),
    Gives(0x1265, "BLKFRAGET", Type::kLongWord),
    Gives(0x1267, "BLKSECTGET", 2),
    Gives(0x1268, "BLKSSZGET", Type::kIntWord),
    Unbounded(0x1269, "BLKPG"),
    Gives(Ior(0x12, 112, 8), "BLKBSZGET", Type::kIntWord),
    Takes(Iow(0x12, 113, 8), "BLKBSZSET", Type::kIntWord),
    Gives(Ior(0x12, 114, 8), "BLKGETSIZE64", Type::kLongWord),
    Takes(0x1277, "BLKDISCARD", 16),
    Gives(0x1278, "BLKIOMIN", Type::kUintWord),
    Gives(0x1279, "BLKIOOPT", Type::kUintWord),
    Gives(0x127A, "BLKALIGNOFF", Type::kIntWord),
    Gives(0x127B, "BLKPBSZGET", Type::kUintWord),
    Gives(0x127C, "BLKDISCARDZEROES", Type::kUintWord),
    Takes(0x127D, "BLKSECDISCARD", 16),
    Gives(0x127E, "BLKROTATIONAL", 2),
    Takes(0x127F, "BLKZEROOUT", 16),
    Gives(Ior(0x12, 128, 8), "BLKGETDISKSEQ", Type::kLongWord),
    Gives(Ior(0x12, 132, 4), "BLKGETZONESZ", Type::kUintWord),
    Gives(Ior(0x12, 133, 4), "BLKGETNRZONES", Type::kUintWord),
    Gives(0x0301, "HDIO_GETGEO", 16),
    Gives(0x030D, "HDIO_GET_IDENTITY", 512),
    Request(0x4C00, "LOOP_SET_FD", FdArg("fd")),
    None(0x4C01, "LOOP_CLR_FD"),
    Takes(0x4C04, "LOOP_SET_STATUS64", 232),
    Gives(0x4C05, "LOOP_GET_STATUS64", 232),
    Request(0x4C06, "LOOP_CHANGE_FD", FdArg("fd")),
    None(0x4C82, "LOOP_CTL_GET_FREE"),
    None(0x5309, "CDROMEJECT"),
    Number(0x5326, "CDROM_DRIVE_STATUS"),
    Number(0x5331, "CDROM_GET_CAPABILITY"),
    Unbounded(0x2285, "SG_IO"),
    Gives(0x2282, "SG_GET_VERSION_NUM", Type::kIntWord),
    // Random numbers: linux/random.h.
    Gives(Ior('R', 0x00, 4), "RNDGETENTCNT", Type::kIntWord),
    Takes(Iow('R', 0x01, 4), "RNDADDTOENTCNT", Type::kIntWord),
    Takes(Iow('R', 0x03, 8), "RNDADDENTROPY", 8),
    None(Io('R', 0x04), "RNDZAPENTCNT"),
    None(Io('R', 0x06), "RNDCLEARPOOL"),
    None(Io('R', 0x07), "RNDRESEEDCRNG"),
    // Clocks: linux/rtc.h.
    None(Io('p', 0x01), "RTC_AIE_ON"),
    None(Io('p', 0x02), "RTC_AIE_OFF"),
    None(Io('p', 0x03), "RTC_UIE_ON"),
    None(Io('p', 0x04), "RTC_UIE_OFF"),
    Gives(Ior('p', 0x08, 36), "RTC_ALM_READ", 36),
    Takes(Iow('p', 0x07, 36), "RTC_ALM_SET", 36),
    Gives(Ior('p', 0x09, 36), "RTC_RD_TIME", 36),
    Takes(Iow('p', 0x0a, 36), "RTC_SET_TIME", 36),
    // Namespaces and pidfds: linux/nsfs.h, linux/pidfd.h.
    None(Io(0xb7, 0x1), "NS_GET_USERNS").Opens(),
    None(Io(0xb7, 0x2), "NS_GET_PARENT").Opens(),
    None(Io(0xb7, 0x3), "NS_GET_NSTYPE"),
    Gives(Io(0xb7, 0x4), "NS_GET_OWNER_UID", Type::kIdWord),
    Gives(Ior(0xb7, 0x5, 8), "NS_GET_MNTNS_ID", Type::kLongWord),
    Number(Ior(0xb7, 0x6, 4), "NS_GET_PID_FROM_PIDNS"),
    Number(Ior(0xb7, 0x7, 4), "NS_GET_TGID_FROM_PIDNS"),
    Number(Ior(0xb7, 0x8, 4), "NS_GET_PID_IN_PIDNS"),
    Number(Ior(0xb7, 0x9, 4), "NS_GET_TGID_IN_PIDNS"),
    None(Io(0xff, 1), "PIDFD_GET_CGROUP_NAMESPACE").Opens(),
    None(Io(0xff, 2), "PIDFD_GET_IPC_NAMESPACE").Opens(),
    None(Io(0xff, 3), "PIDFD_GET_MNT_NAMESPACE").Opens(),
    None(Io(0xff, 4), "PIDFD_GET_NET_NAMESPACE").Opens(),
    None(Io(0xff, 5), "PIDFD_GET_PID_NAMESPACE").Opens(),
    None(Io(0xff, 6), "PIDFD_GET_PID_FOR_CHILDREN_NAMESPACE").Opens(),
    None(Io(0xff, 7), "PIDFD_GET_TIME_NAMESPACE").Opens(),
    None(Io(0xff, 8), "PIDFD_GET_TIME_FOR_CHILDREN_NAMESPACE").Opens(),
    None(Io(0xff, 9), "PIDFD_GET_USER_NAMESPACE").Opens(),
    None(Io(0xff, 10), "PIDFD_GET_UTS_NAMESPACE").Opens(),
    // epoll, timerfd, autofs, watch queues: linux/eventpoll.h and others.
    Takes(Iow(0x8A, 0x01, 8), "EPIOCSPARAMS", 8),
    Gives(Ior(0x8A, 0x02, 8), "EPIOCGPARAMS", 8),
    Takes(Iow('T', 0, 8), "TFD_IOC_SET_TICKS", Type::kLongWord),
    Number(Io('W', 0x60), "IOC_WATCH_QUEUE_SET_SIZE"),
    // TUN: linux/if_tun.h. Declared with int or pointer, most take a struct ifreq.
    Number(Iow('T', 200, 4), "TUNSETNOCSUM"),
    Number(Iow('T', 201, 4), "TUNSETDEBUG"),
    Changes(Iow('T', 202, 4), "TUNSETIFF", kIfreq),
    Number(Iow('T', 203, 4), "TUNSETPERSIST"),
    Number(Iow('T', 204, 4), "TUNSETOWNER"),
    Number(Iow('T', 205, 4), "TUNSETLINK"),
    Number(Iow('T', 206, 4), "TUNSETGROUP"),
    Gives(Ior('T', 207, 4), "TUNGETFEATURES", Type::kUintWord),
    Number(Iow('T', 208, 4), "TUNSETOFFLOAD"),
    Gives(Ior('T', 210, 4), "TUNGETIFF", kIfreq),
    Gives(Ior('T', 211, 4), "TUNGETSNDBUF", Type::kIntWord),
    Takes(Iow('T', 212, 4), "TUNSETSNDBUF", Type::kIntWord),
    Gives(Ior('T', 215, 4), "TUNGETVNETHDRSZ", Type::kIntWord),
    Takes(Iow('T', 216, 4), "TUNSETVNETHDRSZ", Type::kIntWord),
    Takes(Iow('T', 217, 4), "TUNSETQUEUE", kIfreq),
    // Input devices: linux/input.h. The size is that of the program's buffer.
    Gives(Ior('E', 0x01, 4), "EVIOCGVERSION", Type::kIntWord),
    Gives(Ior('E', 0x02, 8), "EVIOCGID", 8),
    Gives(Ior('E', 0x03, 8), "EVIOCGREP", 8),
    Takes(Iow('E', 0x03, 8), "EVIOCSREP", 8),
    Number(Iow('E', 0x90, 4), "EVIOCGRAB"),
    Number(Iow('E', 0x91, 4), "EVIOCREVOKE"),
    Takes(Iow('E', 0xa0, 4), "EVIOCSCLOCKID", Type::kIntWord),
    Request(Ior('E', 0x06, 0), "EVIOCGNAME", Out("argp", Type::kOpaque, {.kind = Sized::kResult}))
        .Masked(kAnySize),
    Request(Ior('E', 0x07, 0), "EVIOCGPHYS", Out("argp", Type::kOpaque, {.kind = Sized::kResult}))
        .Masked(kAnySize),
    Request(Ior('E', 0x08, 0), "EVIOCGUNIQ", Out("argp", Type::kOpaque, {.kind = Sized::kResult}))
        .Masked(kAnySize),
    Request(Ior('E', 0x09, 0), "EVIOCGPROP", Out("argp", Type::kOpaque, {.kind = Sized::kResult}))
        .Masked(kAnySize),
    Request(Ior('E', 0x18, 0), "EVIOCGKEY", Out("argp", Type::kOpaque, {.kind = Sized::kResult}))
        .Masked(kAnySize),
    // Refused or unused by what runs under retake, named for dump.
    Unbounded(Iowr(0xAA, 0x3F, 24), "UFFDIO_API"),
    Unbounded(Io('$', 0), "PERF_EVENT_IOC_ENABLE"),
    Unbounded(Io(0xAE, 0x00), "KVM_GET_API_VERSION"),
};

}  // namespace

const SubTable kIoctl = {1, 0xffffffff, 2, kIoctlRows, true};

}  // namespace retake
