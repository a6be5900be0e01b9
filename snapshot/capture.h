// Capture of a process's image right after an exec, at the exit stop of the exec call.
//
// At that instant a process consists of file mappings that nobody has written to but the kernel
// (the zeroed tail of a data segment), a stack, and a vDSO. So contents of files are taken from the
// files, never through the process (which would be four fifths of the cost of recording a short
// program), and of the rest only pages that exist, as /proc/PID/pagemap tells.
#ifndef RETAKE_SNAPSHOT_CAPTURE_H_
#define RETAKE_SNAPSHOT_CAPTURE_H_

#include <sys/stat.h>

#include <span>
#include <string>

#include "snapshot/image.h"
#include "tracee/maps.h"
#include "tracee/memory.h"
#include "tracee/own_pages.h"

namespace retake {

// Where contents of files go; gives each an index that mappings refer to.
class ContentStore {
 public:
  virtual ~ContentStore() = default;
  // Keeps the whole contents of the regular file open at `fd`.
  virtual Result<uint32_t> KeepFile(int fd, const struct stat& status, const std::string& path) = 0;
};

// `mappings` are those before the stub was added; `registers` become the image's.
Result<Image> CaptureAfterExec(pid_t pid, const TaskMemory& memory, const Registers& registers,
                               std::span<const Mapping> mappings, ContentStore& store);

// Opens the file that a mapping of the process shows, if it can still be found under its name (or
// is the executable): an invalid Fd where it can't. `status` is the file's.
Fd OpenMappedFile(pid_t pid, const TaskMemory& memory, const Mapping& mapping, struct stat* status);

// The same of a mapping that shows code: by name and inode only, since other bytes than the file's
// may have been put there.
Fd OpenMappedCode(pid_t pid, const Mapping& mapping, struct stat* status);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CAPTURE_H_
