// Outputs of the few calls that no SizeRule describes.
#ifndef RETAKE_SYSCALLS_OUTPUTS_H_
#define RETAKE_SYSCALLS_OUTPUTS_H_

#include <vector>

#include "syscalls/table.h"

namespace retake::outputs {

// The tid and pidfd words of the parent; of the child (result 0) its own tid word.
void Clone(const Call& call, std::vector<Range>& out);
void Clone3(const Call& call, std::vector<Range>& out);
// The value that args[4], a struct xattr_args, points at.
void Getxattrat(const Call& call, std::vector<Range>& out);
// What was written, where the other process is the caller itself.
void ProcessVmWritev(const Call& call, std::vector<Range>& out);

}  // namespace retake::outputs

#endif  // RETAKE_SYSCALLS_OUTPUTS_H_
