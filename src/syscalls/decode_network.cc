// Decoders of socket addresses, options and messages.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr uint64_t kMaxAddress = 128;  // sizeof(struct sockaddr_storage)
constexpr uint64_t kMaxControl = 1024;

struct Address {
  uint8_t bytes[kMaxAddress] = {};
  uint64_t size = 0;

  template <typename T>
  T At(size_t offset) const {
    T value;
    memcpy(&value, bytes + offset, sizeof value);
    return value;
  }
};

void Unix(const Address& address, std::string& out) {
  if (address.size <= 2) return;
  std::string_view path(reinterpret_cast<const char*>(address.bytes) + 2, address.size - 2);
  out += ", sun_path=";
  if (path[0] == '\0') {
    out += '@';  // an abstract name: not terminated
    path.remove_prefix(1);
  } else {
    path = path.substr(0, path.find('\0'));
  }
  PrintQuoted(out, path);
}
void Inet(const Address& address, std::string& out) {
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, address.bytes + 4, text, sizeof text);
  Print(out, ", sin_port=htons({}), sin_addr=inet_addr(\"{}\")", ntohs(address.At<uint16_t>(2)),
        text);
}
void Inet6(const Address& address, std::string& out) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, address.bytes + 8, text, sizeof text);
  Print(out,
        ", sin6_port=htons({}), sin6_flowinfo=htonl({}), inet_pton(AF_INET6, \"{}\", "
        "&sin6_addr), sin6_scope_id={}",
        ntohs(address.At<uint16_t>(2)), ntohl(address.At<uint32_t>(4)), text,
        address.At<uint32_t>(24));
}
void Netlink(const Address& address, std::string& out) {
  Print(out, ", nl_pid={}, nl_groups={:08x}", static_cast<int32_t>(address.At<uint32_t>(4)),
        address.At<uint32_t>(8));
}

struct Family {
  uint16_t family;
  uint64_t least;  // bytes
  void (*print)(const Address& address, std::string& out);
};
constexpr Family kFamilies[] = {
    {AF_UNIX, 2, Unix}, {AF_INET, 8, Inet}, {AF_INET6, 24, Inet6}, {AF_NETLINK, 12, Netlink}};

bool PrintSockaddr(const Context& c, uint64_t at, uint64_t size, std::string& out) {
  Address address;
  address.size = std::min(size, kMaxAddress);
  if (address.size < 2 ||
      c.call.memory->ReadSome(at, address.bytes, address.size) != address.size) {
    return false;
  }
  auto family = address.At<uint16_t>(0);
  out += "{sa_family=";
  AppendEnum(out, Set::kSocketFamily, family);
  const Family* known = nullptr;
  for (const Family& row : kFamilies) {
    if (row.family == family && address.size >= row.least) known = &row;
  }
  if (known != nullptr) {
    known->print(address, out);
  } else if (address.size > 2) {
    out += ", sa_data=";
    PrintQuoted(out, {reinterpret_cast<const char*>(address.bytes) + 2, address.size - 2});
  }
  out += '}';
  return true;
}

bool Sockaddr(const Context& c, std::string& out) {
  return PrintSockaddr(c, c.value, c.Size(), out);
}
bool SockLength(const Context& c, std::string& out) {
  int32_t length;
  if (!c.Read(c.value, &length)) return false;
  Print(out, "[{}]", length);
  return true;
}

bool SocketValue(const Context& c, std::string& out) {
  constexpr uint64_t kSolSocket = 1, kLinger = 13, kPeercred = 17;
  uint64_t size = c.Size();
  bool socket_level = c.call.args[1] == kSolSocket;
  if (socket_level && c.call.args[2] == kLinger && size >= 8) {
    int32_t linger[2];
    if (!c.Read(c.value, &linger)) return false;
    Print(out, "{{l_onoff={}, l_linger={}}}", linger[0], linger[1]);
    return true;
  }
  if (socket_level && c.call.args[2] == kPeercred && size >= 12) {
    int32_t ids[3];
    if (!c.Read(c.value, &ids)) return false;
    Print(out, "{{pid={}, uid={}, gid={}}}", ids[0], ids[1], ids[2]);
    return true;
  }
  if (size == sizeof(int32_t)) {
    int32_t word;
    if (!c.Read(c.value, &word)) return false;
    Print(out, "[{}]", word);
    return true;
  }
  return PrintBytes(c, c.value, size, out);
}

// struct cmsghdr: length, level, type; then data, each header aligned to eight bytes.
void PrintControl(const Context& c, uint64_t at, uint64_t size, std::string& out) {
  constexpr uint64_t kHeader = 16;
  constexpr uint32_t kSolSocket = 1, kRights = 1, kCredentials = 2;
  uint64_t end = at + std::min(size, kMaxControl);
  std::string text;
  while (end - at >= kHeader) {
    struct {
      uint64_t length;
      uint32_t level, type;
    } header;
    if (!c.Read(at, &header) || header.length < kHeader || header.length > end - at) break;
    Print(text, "{}{{cmsg_len={}, cmsg_level=", text.empty() ? "" : ", ", header.length);
    AppendEnum(text, Set::kSocketLevel, header.level);
    text += ", cmsg_type=";
    uint64_t data = at + kHeader, data_size = header.length - kHeader;
    if (header.level == kSolSocket) {
      AppendEnum(text, Set::kCmsgType, header.type);
    } else {
      PrintHex(text, header.type);
    }
    std::string value;
    if (header.level == kSolSocket && header.type == kRights) {
      PrintList(value, data_size / 4, [&](uint64_t i, std::string& entry) {
        int32_t fd;
        if (!c.Read(data + i * sizeof fd, &fd)) return false;
        Print(entry, "{}", fd);
        return true;
      });
    } else if (header.level == kSolSocket && header.type == kCredentials && data_size >= 12) {
      int32_t ids[3];
      if (c.Read(data, &ids)) {
        Print(value, "{{pid={}, uid={}, gid={}}}", ids[0], ids[1], ids[2]);
      }
    } else {
      PrintBytes(c, data, data_size, value);
    }
    if (!value.empty()) Print(text, ", cmsg_data={}", value);
    text += '}';
    uint64_t step = (header.length + 7) & ~uint64_t{7};
    if (step >= end - at) break;
    at += step;
  }
  Print(out, "[{}]", text);
}

bool PrintMessage(const Context& c, uint64_t at, uint64_t bytes, std::string& out) {
  struct {
    uint64_t name;
    uint32_t name_length, padding;
    uint64_t iov, iov_count, control, control_length;
    uint32_t flags, padding2;
  } message;
  if (!c.Read(at, &message)) return false;
  out += "{msg_name=";
  if (message.name_length == 0 || !PrintSockaddr(c, message.name, message.name_length, out)) {
    PrintAddress(out, message.name);
  }
  Print(out, ", msg_namelen={}, msg_iov=", message.name_length);
  if (message.iov_count == 0 || !PrintIovec(c, message.iov, message.iov_count, bytes, out)) {
    PrintAddress(out, message.iov);
  }
  Print(out, ", msg_iovlen={}", message.iov_count);
  if (message.control != 0 && message.control_length != 0) {
    out += ", msg_control=";
    PrintControl(c, message.control, message.control_length, out);
  }
  Print(out, ", msg_controllen={}, msg_flags=", message.control_length);
  AppendFlags(out, Set::kMsgFlags, message.flags, c.arch());
  out += '}';
  return true;
}

bool Msghdr(const Context& c, std::string& out) {
  bool received = c.arg.IsOutput();
  if (received && (!c.returned || c.call.result < 0)) return false;
  return PrintMessage(c, c.value, received ? static_cast<uint64_t>(c.call.result) : ~uint64_t{0},
                      out);
}
bool Mmsghdr(const Context& c, std::string& out) {
  constexpr uint64_t kSize = 64;  // a msghdr, the length, padding
  bool done = c.returned && c.call.result >= 0;
  bool received = c.arg.size.kind == Sized::kReceivedMany;
  if (received && !done) return false;
  uint64_t count = static_cast<uint32_t>(c.call.args[2]);
  if (done) count = std::min(count, static_cast<uint64_t>(c.call.result));
  return PrintList(out, count, [&](uint64_t i, std::string& text) {
    uint64_t at = c.value + i * kSize;
    uint32_t length = 0;
    bool known = c.Read(at + kSize - 8, &length);
    text += "{msg_hdr=";
    if (!PrintMessage(c, at, received ? length : ~uint64_t{0}, text)) PrintAddress(text, at);
    if (done && known) Print(text, ", msg_len={}", length);
    text += '}';
    return true;
  });
}

constexpr DecoderRow kDecoders[] = {
    {Type::kSockaddr, Sockaddr}, {Type::kSockLength, SockLength}, {Type::kSocketValue, SocketValue},
    {Type::kMsghdr, Msghdr},     {Type::kMmsghdr, Mmsghdr},
};

}  // namespace

std::span<const DecoderRow> NetworkDecoders() { return kDecoders; }

}  // namespace retake
