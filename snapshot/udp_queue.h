// What waits in UDP sockets to be read: when they are restored it is sent to them again, from where
// it came.
//
// With CAP_NET_RAW a packet may say that it comes from anywhere. Else it is sent by a socket that
// has the sender's address: one of the tree's, or one made for it. What only the packet itself
// knew, such as which of several addresses it was sent to, is lost: where the program has asked for
// that (IP_PKTINFO and its like), nothing is kept.
#ifndef RETAKE_SNAPSHOT_UDP_QUEUE_H_
#define RETAKE_SNAPSHOT_UDP_QUEUE_H_

#include <string>

#include "snapshot/fd_kind.h"

namespace retake {

// Why what waits in that socket can't be kept; empty: it can. `fd` is a copy of its descriptor.
std::string WhyNotResent(int fd, const SocketState& state);

// Sends it to a socket that is bound as `state` says, and not connected yet.
Status ResendDatagrams(int fd, const SocketState& state, const FdRestore& restore);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_UDP_QUEUE_H_
