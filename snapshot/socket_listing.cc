#include "snapshot/socket_listing.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"

namespace retake {

SocketAnswer::SocketAnswer(ByteSpan request) {
  Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return;
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(request.size()));
  header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  header.nlmsg_flags = NLM_F_REQUEST;
  std::vector<uint8_t> question(header.nlmsg_len);
  memcpy(question.data(), &header, sizeof header);
  memcpy(question.data() + NLMSG_HDRLEN, request.data(), request.size());
  if (send(netlink.get(), question.data(), question.size(), 0) < 0) return;
  // It has been answered within that call.
  ssize_t got = recv(netlink.get(), bytes_, sizeof bytes_, MSG_DONTWAIT);
  if (got > 0) size_ = static_cast<size_t>(got);
}

const nlmsghdr* SocketAnswer::header() const {
  const auto* header = reinterpret_cast<const nlmsghdr*>(bytes_);
  bool found = size_ >= sizeof *header && header->nlmsg_type == SOCK_DIAG_BY_FAMILY;
  return found ? header : nullptr;
}

}  // namespace retake
