// Signals that an open file description causes: whom it tells of input, urgent data or a broken
// lease (F_SETOWN, F_SETSIG, O_ASYNC), and the lease itself (F_SETLEASE).
#ifndef RETAKE_SNAPSHOT_IO_SIGNALS_H_
#define RETAKE_SNAPSHOT_IO_SIGNALS_H_

#include <sys/types.h>

#include <functional>
#include <string>

#include "snapshot/fd_kind.h"
#include "snapshot/file_locks.h"
#include "snapshot/open_file.h"

namespace retake {

// Asks the copy of the description; what can't be kept becomes a loss.
void CaptureIoSignals(const FdSubject& subject, const FileLocks& locks, FdCapture& capture,
                      OpenFile& out);

// The present pid, tid or process group (`type`: F_OWNER_*) of what had `id`; 0: there is none.
using PresentId = std::function<pid_t(int type, pid_t id)>;

// For a description open at `fd`, when everybody it may signal is there. A lease is broken by
// whoever opens the file, so nobody may do that any more.
Status RestoreIoSignals(int fd, const OpenFile& file, const PresentId& present);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_IO_SIGNALS_H_
