// Pseudoterminals, as checkpoint and restore see them. The implementation is in fd_terminal.cc.
#ifndef RETAKE_SNAPSHOT_TERMINAL_H_
#define RETAKE_SNAPSHOT_TERMINAL_H_

#include <cstdint>

#include "base/result.h"
#include "snapshot/open_file.h"
#include "tracee/proc_files.h"

namespace retake {

// N of the pseudoterminal /dev/pts/N whose slave has that device number; -1: it is none's.
int64_t PseudoterminalOf(uint64_t device);

// The device number of a process's controlling terminal; 0: it has none.
uint64_t ControllingDevice(const ProcStat& stat);

// Sets modes, size and exclusiveness, through either end.
Status SetTerminal(int fd, const TerminalState& state);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_TERMINAL_H_
