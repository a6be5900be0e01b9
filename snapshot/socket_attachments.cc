#include "snapshot/socket_attachments.h"

#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>

#include "tracee/proc_files.h"

namespace retake {
namespace {

// --- Filters ---

void CaptureFilter(const FdSubject& subject, FdCapture& capture, SocketState& state) {
  int fd = subject.copy->get();
  // Here the length is a number of instructions.
  socklen_t count = 0;
  if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, nullptr, &count) != 0) {
    if (errno == EACCES) capture.Lose(subject, "its filter is a program of BPF, which isn't kept");
    return;
  }
  if (count == 0) return;
  state.filter.resize(count * sizeof(sock_filter));
  if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, state.filter.data(), &count) != 0) {
    capture.Lose(subject, "its filter can't be read");
    state.filter.clear();
    return;
  }
  int locked = 0;
  socklen_t size = sizeof locked;
  if (getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, &size) == 0)
    state.filter_locked = locked != 0;
}

Status AttachFilter(int fd, const SocketState& state) {
  if (state.filter.empty()) return {};
  std::vector<sock_filter> instructions(state.filter.size() / sizeof(sock_filter));
  memcpy(instructions.data(), state.filter.data(), instructions.size() * sizeof(sock_filter));
  sock_fprog program{static_cast<unsigned short>(instructions.size()), instructions.data()};
  int locked = 1;
  bool attached = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 &&
                  (!state.filter_locked ||
                   setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, sizeof locked) == 0);
  if (!attached) return ErrnoError("can't give a socket its filter");
  return {};
}

// --- Multicast groups ---

// The groups that any socket of the machine is in. None tells whose they are, but each socket tells
// whether it is in a group.
std::vector<MulticastGroup> GroupsOfMachine(int domain) {
  std::vector<MulticastGroup> groups;
  auto text = ReadWhole(domain == AF_INET ? "/proc/net/igmp" : "/proc/net/igmp6");
  if (!text.ok()) return groups;
  std::string interface;
  for (size_t at = 0; at < text->size();) {
    size_t end = std::min(text->find('\n', at), text->size());
    std::string line = text->substr(at, end - at);
    at = end + 1;
    char name[IF_NAMESIZE] = "";
    char address[33] = "";
    uint32_t number = 0;
    if (domain == AF_INET6) {
      // "1    lo              ff020000000000000000000000000001     1 0000000C 0"
      if (sscanf(line.c_str(), "%*d %15s %32s", name, address) != 2) continue;
      MulticastGroup group{.interface = name};
      for (size_t i = 0; i + 1 < strlen(address); i += 2) {
        unsigned byte = 0;
        sscanf(address + i, "%2x", &byte);
        group.address.push_back(static_cast<uint8_t>(byte));
      }
      groups.push_back(std::move(group));
    } else if (sscanf(line.c_str(), "%*d %15[^ :]", name) == 1 && line[0] != '\t') {
      // "1	lo        :     1      V3", and below it "				010000E0 1
      // 0:00000000		0"
      interface = name;
    } else if (sscanf(line.c_str(), " %8x", &number) == 1 && !interface.empty()) {
      MulticastGroup group{.interface = interface};
      // The address as it lies in memory, read as a number.
      group.address.resize(sizeof number);
      memcpy(group.address.data(), &number, sizeof number);
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

sockaddr_storage AddressOf(const MulticastGroup& group) {
  sockaddr_storage address{};
  if (group.address.size() == sizeof(in_addr)) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(address);
    v4.sin_family = AF_INET;
    memcpy(&v4.sin_addr, group.address.data(), sizeof v4.sin_addr);
  } else if (group.address.size() == sizeof(in6_addr)) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
    v6.sin6_family = AF_INET6;
    memcpy(&v6.sin6_addr, group.address.data(), sizeof v6.sin6_addr);
  }
  return address;
}

int LevelOf(const MulticastGroup& group) {
  return group.address.size() == sizeof(in_addr) ? IPPROTO_IP : IPPROTO_IPV6;
}

void CaptureGroups(const FdSubject& subject, FdCapture& capture, SocketState& state) {
  if (state.type != SOCK_DGRAM || (state.domain != AF_INET && state.domain != AF_INET6)) return;
  for (MulticastGroup& group : GroupsOfMachine(state.domain)) {
    group_filter filter{};
    filter.gf_interface = if_nametoindex(group.interface.c_str());
    filter.gf_group = AddressOf(group);
    socklen_t size = sizeof filter;
    if (getsockopt(subject.copy->get(), LevelOf(group), MCAST_MSFILTER, &filter, &size) != 0)
      continue;
    if (filter.gf_fmode != MCAST_EXCLUDE || filter.gf_numsrc != 0) {
      capture.Lose(subject, fmt::format("which senders it hears in a multicast group on {}",
                                        group.interface));
    }
    state.groups.push_back(std::move(group));
  }
}

Status JoinGroups(int fd, const SocketState& state) {
  for (const MulticastGroup& group : state.groups) {
    group_req request{};
    request.gr_interface = if_nametoindex(group.interface.c_str());
    request.gr_group = AddressOf(group);
    if (request.gr_interface == 0 ||
        setsockopt(fd, LevelOf(group), MCAST_JOIN_GROUP, &request, sizeof request) != 0)
      return ErrnoError("can't join a multicast group on {} again", group.interface);
  }
  return {};
}

}  // namespace

void CaptureAttachments(const FdSubject& subject, FdCapture& capture, SocketState& state) {
  CaptureFilter(subject, capture, state);
  CaptureGroups(subject, capture, state);
}

Status RestoreAttachments(int fd, const SocketState& state) {
  TRY(JoinGroups(fd, state));
  return AttachFilter(fd, state);
}

}  // namespace retake
