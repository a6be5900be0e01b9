// TcpProgress: how far a TCP connection is, seen from one of its ends.
//
// What an end has received and not read can be looked at; what it was sent and hasn't received
// can't, without rights over the network. So a connection is whole in what its two ends hold only
// once all has arrived, which the counts of both tell.
#ifndef RETAKE_SNAPSHOT_TCP_PROGRESS_H_
#define RETAKE_SNAPSHOT_TCP_PROGRESS_H_

#include <cstdint>
#include <optional>

#include "snapshot/internet_address.h"

namespace retake {

struct TcpProgress {
  uint8_t state = 0;      // TCP_*, <netinet/tcp.h>
  uint64_t sent = 0;      // bytes that have left it
  uint64_t unsent = 0;    // bytes that wait in it to be sent
  uint64_t received = 0;  // bytes that have arrived, read or not

  // It has sent its end (FIN), or is about to.
  bool has_finished() const;
  // It has received the other's end.
  bool has_seen_end() const;
  // Of a listening socket: the connections that wait to be accepted, and its backlog.
  uint32_t waiting = 0, backlog = 0;
};

// Nothing: `fd` is no TCP socket.
std::optional<TcpProgress> TcpProgressOf(int fd);

// The end of a connection that another end, `name`, is connected to, whoever holds it.
struct TcpPeer {
  TcpProgress progress;
  uint64_t inode = 0;  // 0: no descriptor leads to it: not accepted yet, or closed
};

// As the kernel's socket listing has it, sock_diag(7). Nothing: it isn't there; or it is on another
// machine, or can't be asked for.
std::optional<TcpPeer> FindTcpPeer(const SocketName& name, const SocketName& peer_name);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_TCP_PROGRESS_H_
