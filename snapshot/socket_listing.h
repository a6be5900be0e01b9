// One question to the kernel's listing of sockets, sock_diag(7).
#ifndef RETAKE_SNAPSHOT_SOCKET_LISTING_H_
#define RETAKE_SNAPSHOT_SOCKET_LISTING_H_

#include <linux/netlink.h>

#include <vector>

#include "base/bytes.h"

namespace retake {

class SocketAnswer {
 public:
  // `request` is the family's own structure, such as unix_diag_req.
  explicit SocketAnswer(ByteSpan request);
  // Nothing: there is no such socket, or it can't be asked for.
  const nlmsghdr* header() const;

 private:
  alignas(nlmsghdr) uint8_t bytes_[4096];
  size_t size_ = 0;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SOCKET_LISTING_H_
