// What sockets of all families have in common: options, and what waits in them to be read.
#ifndef RETAKE_SNAPSHOT_SOCKET_STATE_H_
#define RETAKE_SNAPSHOT_SOCKET_STATE_H_

#include "base/fd.h"
#include "snapshot/fd_kind.h"
#include "snapshot/internet_address.h"

namespace retake {

// AF_*; AF_UNSPEC if the descriptor is no socket, or can't be asked.
int SocketDomain(const FdSubject& subject);
// <asm-generic/socket.h> and <linux/in.h>; headers of Debian 12 lack them: who set a socket's
// buffers' sizes, and the ports that it may connect from.
inline constexpr int kSoBufLock = 72, kIpLocalPortRange = 51;

// 0 where it can't be asked.
int ReadNumber(int fd, int level, int name);
// As getsockname(2) and getpeername(2) give them; empty: it has none.
std::vector<uint8_t> NameOf(int fd);
std::vector<uint8_t> PeerNameOf(int fd);
// As bind(2) and connect(2); false: errno says why not.
bool BindSocket(int fd, const SocketName& name);
bool ConnectSocket(int fd, const SocketName& name);
// Domain, type, protocol, name, options; whether it listens.
Result<SocketState> ReadSocket(int fd, uint64_t inode);
// Sets those options that a new socket hasn't got by itself.
Status SetSocketOptions(int fd, const SocketState& state);
// Of these only those that count before it is connected: how much it holds, for instance.
Status SetEarlyOptions(int fd, const SocketState& state);
// What waits to be read, which stays there. `rights` is set if descriptors travel with it.
Result<std::vector<QueuedBytes>> PeekSocket(int fd, bool stream, bool* rights);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SOCKET_STATE_H_
