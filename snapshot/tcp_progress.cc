#include "snapshot/tcp_progress.h"

// <netinet/tcp.h> has an older struct tcp_info, and both can't be had.
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "snapshot/socket_listing.h"

namespace retake {
namespace {

// net/tcp_states.h; part of what TCP_INFO and sock_diag give.
constexpr uint8_t kFinWait1 = 4, kFinWait2 = 5, kTimeWait = 6, kCloseWait = 8, kLastAck = 9,
                  kListen = 10, kClosing = 11;

TcpProgress ProgressIn(const tcp_info& info) {
  TcpProgress out{.state = info.tcpi_state};
  if (out.state == kListen) {
    // net/ipv4/tcp.c, tcp_get_info: of a listening socket these are its queue and its backlog.
    out.waiting = info.tcpi_unacked;
    out.backlog = info.tcpi_sacked;
    return out;
  }
  out.sent = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
  out.unsent = info.tcpi_notsent_bytes;
  // Its own end counts as a byte until it is sent.
  if (out.has_finished() && out.unsent > 0) --out.unsent;
  out.received = info.tcpi_bytes_received;
  // The other's end counts as a byte there.
  if (out.has_seen_end() && out.received > 0) --out.received;
  return out;
}

std::optional<TcpPeer> ParseAnswer(const nlmsghdr& header) {
  const auto* message = static_cast<const inet_diag_msg*>(NLMSG_DATA(&header));
  // Where there is no such connection, one that listens there is found.
  if (message->idiag_state == kListen) return std::nullopt;
  TcpPeer peer{.inode = message->idiag_inode};
  peer.progress.state = message->idiag_state;
  int size = static_cast<int>(header.nlmsg_len - NLMSG_LENGTH(sizeof *message));
  for (const auto* part = reinterpret_cast<const rtattr*>(message + 1); RTA_OK(part, size);
       part = RTA_NEXT(part, size)) {
    if (part->rta_type != INET_DIAG_INFO) continue;
    tcp_info info{};
    memcpy(&info, RTA_DATA(part), std::min<size_t>(sizeof info, RTA_PAYLOAD(part)));
    peer.progress = ProgressIn(info);
  }
  return peer;
}

}  // namespace

bool TcpProgress::has_finished() const {
  return state == kFinWait1 || state == kFinWait2 || state == kTimeWait || state == kLastAck ||
         state == kClosing;
}

bool TcpProgress::has_seen_end() const {
  return state == kTimeWait || state == kCloseWait || state == kLastAck || state == kClosing;
}

std::optional<TcpProgress> TcpProgressOf(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return ProgressIn(info);
}

std::optional<TcpPeer> FindTcpPeer(const SocketName& name, const SocketName& peer_name) {
  inet_diag_req_v2 request{};
  // An IPv4 address as one of IPv6 is looked up as what it is.
  request.sdiag_family = AF_INET6;
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_ext = 1U << (INET_DIAG_INFO - 1);
  request.idiag_states = ~0U;
  // The other's end is where this one's peer is.
  Endpoint source = EndpointOf(peer_name), destination = EndpointOf(name);
  inet_diag_sockid& id = request.id;
  id.idiag_sport = htons(source.port);
  id.idiag_dport = htons(destination.port);
  memcpy(id.idiag_src, source.address.data(), source.address.size());
  memcpy(id.idiag_dst, destination.address.data(), destination.address.size());
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  SocketAnswer answer({reinterpret_cast<const uint8_t*>(&request), sizeof request});
  const nlmsghdr* header = answer.header();
  return header == nullptr ? std::nullopt : ParseAnswer(*header);
}

}  // namespace retake
