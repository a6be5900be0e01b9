// Decoders of what files, terminals and pollers are asked and say.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstring>

#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr uint64_t kMaxDirents = 1u << 20;  // bytes of a directory buffer that are counted

bool Stat(const Context& c, std::string& out) {
  const AbiLayout& abi = c.arch().abi;
  uint32_t mode;
  uint64_t device, size;
  if (!c.Read(c.value + abi.stat_mode_offset, &mode) ||
      !c.Read(c.value + abi.stat_rdev_offset, &device) || !c.Read(c.value + 48, &size)) {
    return false;
  }
  out += "{st_mode=";
  PrintFileMode(out, mode);
  if ((mode & S_IFMT) == S_IFCHR || (mode & S_IFMT) == S_IFBLK) {
    Print(out, ", st_rdev=makedev({:#x}, {:#x})", major(device), minor(device));
  } else {
    Print(out, ", st_size={}", size);
  }
  out += ", ...}";
  return true;
}

bool Statx(const Context& c, std::string& out) {
  struct {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, padding;
    uint64_t inode, size;
  } head;  // the beginning of struct statx
  if (!c.Read(c.value, &head)) return false;
  out += "{stx_mask=";
  AppendFlags(out, Set::kStatxMask, head.mask, c.arch());
  out += ", stx_attributes=";
  AppendFlags(out, Set::kStatxAttributes, head.attributes, c.arch());
  out += ", stx_mode=";
  PrintFileMode(out, head.mode);
  Print(out, ", stx_size={}, ...}}", head.size);
  return true;
}

bool Statfs(const Context& c, std::string& out) {
  struct {
    uint64_t type, block_size, blocks, free, available, files, files_free;
    uint32_t id[2];
    uint64_t name_length, fragment_size, flags;
  } fs;
  if (!c.Read(c.value, &fs)) return false;
  out += "{f_type=";
  AppendEnum(out, Set::kFsMagic, fs.type);
  Print(out,
        ", f_bsize={}, f_blocks={}, f_bfree={}, f_bavail={}, f_files={}, f_ffree={}, "
        "f_fsid={{val=[",
        fs.block_size, fs.blocks, fs.free, fs.available, fs.files, fs.files_free);
  PrintHex(out, fs.id[0]);
  out += ", ";
  PrintHex(out, fs.id[1]);
  Print(out, "]}}, f_namelen={}, f_frsize={}, f_flags=", fs.name_length, fs.fragment_size);
  AppendFlags(out, Set::kStFlags, fs.flags, c.arch());
  out += '}';
  return true;
}

// Both kinds of entry hold their length at offset 16.
bool Dirents(const Context& c, std::string& out) {
  uint64_t size = std::min(c.Size(), kMaxDirents);
  uint64_t count = 0;
  for (uint64_t at = 0; at < size; ++count) {
    uint16_t length = 0;
    if (!c.Read(c.value + at + 16, &length) || length == 0) return false;
    at += length;
  }
  Print(out, "{:#x} /* {} entr{} */", c.value, count, count == 1 ? "y" : "ies");
  return true;
}

bool Pollfds(const Context& c, std::string& out) {
  return PrintList(out, c.Size() / 8, [&](uint64_t i, std::string& text) {
    struct {
      int32_t fd;
      uint16_t events, revents;
    } poll;
    if (!c.Read(c.value + i * sizeof poll, &poll)) return false;
    Print(text, "{{fd={}", poll.fd);
    if (poll.fd >= 0) {
      text += ", events=";
      AppendFlags(text, Set::kPollEvents, poll.events, c.arch());
    }
    text += '}';
    return true;
  });
}

bool FdSet(const Context& c, std::string& out) {
  return PrintBits(c, static_cast<uint32_t>(c.call.args[0]), out);
}

bool PrintEpollEvent(const Context& c, uint64_t address, std::string& out) {
  uint32_t events;
  uint64_t data;
  // Packed or not: the data are the last eight bytes.
  if (!c.Read(address, &events) || !c.Read(address + c.arch().abi.epoll_event_size - 8, &data)) {
    return false;
  }
  out += "{events=";
  AppendFlags(out, Set::kEpollEvents, events, c.arch());
  Print(out, ", data={{u32={}, u64={}}}}}", static_cast<uint32_t>(data), data);
  return true;
}
bool EpollEvent(const Context& c, std::string& out) { return PrintEpollEvent(c, c.value, out); }
bool EpollEvents(const Context& c, std::string& out) {
  uint64_t unit = c.arch().abi.epoll_event_size;
  return PrintList(out, c.Size() / unit, [&](uint64_t i, std::string& text) {
    return PrintEpollEvent(c, c.value + i * unit, text);
  });
}

bool OpenHow(const Context& c, std::string& out) {
  uint64_t how[3];  // flags, mode, resolve
  if (!c.Read(c.value, &how)) return false;
  out += "{flags=";
  AppendFlags(out, Set::kOpen, how[0], c.arch());
  if (how[1] != 0) {
    out += ", mode=";
    PrintMode(out, how[1]);
  }
  out += ", resolve=";
  AppendFlags(out, Set::kResolve, how[2], c.arch());
  out += '}';
  return true;
}

bool Termios(const Context& c, std::string& out) {
  uint32_t words[4];
  if (!c.Read(c.value, &words)) return false;
  struct Field {
    std::string_view name;
    Set set;
  };
  constexpr Field kFields[] = {{"c_iflag", Set::kTermInput},
                               {"c_oflag", Set::kTermOutput},
                               {"c_cflag", Set::kTermControl},
                               {"c_lflag", Set::kTermLocal}};
  for (int i = 0; i < 4; ++i) {
    Print(out, "{}{}=", i > 0 ? ", " : "{", kFields[i].name);
    AppendFlags(out, kFields[i].set, words[i], c.arch());
  }
  out += ", ...}";
  return true;
}
bool Winsize(const Context& c, std::string& out) {
  uint16_t size[4];
  if (!c.Read(c.value, &size)) return false;
  Print(out, "{{ws_row={}, ws_col={}, ws_xpixel={}, ws_ypixel={}}}", size[0], size[1], size[2],
        size[3]);
  return true;
}

bool Flock(const Context& c, std::string& out) {
  struct {
    uint16_t type, whence;
    uint32_t padding;
    int64_t start, length;
    int32_t pid, padding2;
  } lock;
  if (!c.Read(c.value, &lock)) return false;
  out += "{l_type=";
  AppendEnum(out, Set::kLockType, lock.type);
  out += ", l_whence=";
  AppendEnum(out, Set::kWhence, lock.whence);
  Print(out, ", l_start={}, l_len={}", lock.start, lock.length);
  if (c.arg.IsOutput() && c.returned) Print(out, ", l_pid={}", lock.pid);
  out += '}';
  return true;
}
bool OwnerEx(const Context& c, std::string& out) {
  uint32_t words[2];
  if (!c.Read(c.value, &words)) return false;
  out += "{type=";
  AppendEnum(out, Set::kOwnerType, words[0]);
  Print(out, ", pid={}}}", static_cast<int32_t>(words[1]));
  return true;
}
bool FdPair(const Context& c, std::string& out) {
  int32_t fds[2];
  if (!c.Read(c.value, &fds)) return false;
  Print(out, "[{}, {}]", fds[0], fds[1]);
  return true;
}
bool FileHandle(const Context& c, std::string& out) {
  uint32_t head[2];  // handle_bytes, handle_type
  if (!c.Read(c.value, &head)) return false;
  Print(out, "{{handle_bytes={}, handle_type={}", head[0], static_cast<int32_t>(head[1]));
  std::string handle;
  if (head[0] <= 128 && PrintBytes(c, c.value + 8, head[0], handle, Quoting::kHex)) {
    Print(out, ", f_handle={}", handle);
  }
  out += '}';
  return true;
}
bool MqAttr(const Context& c, std::string& out) {
  int64_t attr[4];  // flags, maxmsg, msgsize, curmsgs
  if (!c.Read(c.value, &attr)) return false;
  out += "{mq_flags=";
  AppendFlags(out, Set::kOpen, static_cast<uint64_t>(attr[0]), c.arch());
  Print(out, ", mq_maxmsg={}, mq_msgsize={}, mq_curmsgs={}}}", attr[1], attr[2], attr[3]);
  return true;
}
bool Sembufs(const Context& c, std::string& out) {
  return PrintList(out, c.Size() / 6, [&](uint64_t i, std::string& text) {
    int16_t words[3];  // number, operation, flags
    if (!c.Read(c.value + i * sizeof words, &words)) return false;
    Print(text, "{{sem_num={}, sem_op={}, sem_flg=", static_cast<uint16_t>(words[0]), words[1]);
    PrintHex(text, static_cast<uint16_t>(words[2]));
    text += '}';
    return true;
  });
}

constexpr DecoderRow kDecoders[] = {
    {Type::kStat, Stat},       {Type::kStatx, Statx},           {Type::kStatfs, Statfs},
    {Type::kDirents, Dirents}, {Type::kDirents64, Dirents},     {Type::kPollfds, Pollfds},
    {Type::kFdSet, FdSet},     {Type::kEpollEvent, EpollEvent}, {Type::kEpollEvents, EpollEvents},
    {Type::kOpenHow, OpenHow}, {Type::kTermios, Termios},       {Type::kTermios2, Termios},
    {Type::kWinsize, Winsize}, {Type::kFlock, Flock},           {Type::kOwnerEx, OwnerEx},
    {Type::kFdPair, FdPair},   {Type::kFileHandle, FileHandle}, {Type::kMqAttr, MqAttr},
    {Type::kSembufs, Sembufs},
};

}  // namespace

std::span<const DecoderRow> FileDecoders() { return kDecoders; }

}  // namespace retake
