// What is attached to a socket beside its options: a filter of what it receives, and the multicast
// groups that it is in.
#ifndef RETAKE_SNAPSHOT_SOCKET_ATTACHMENTS_H_
#define RETAKE_SNAPSHOT_SOCKET_ATTACHMENTS_H_

#include "snapshot/fd_kind.h"

namespace retake {

// Fills filter, filter_locked and groups.
void CaptureAttachments(const FdSubject& subject, FdCapture& capture, SocketState& state);
// Once everything is in it that it shall hold: a filter would drop some.
Status RestoreAttachments(int fd, const SocketState& state);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_SOCKET_ATTACHMENTS_H_
