#include "snapshot/open_file.h"

#include "base/clock.h"

namespace retake {

NamedFile NamedFileOf(std::string path, const struct stat& status) {
  return {.path = std::move(path),
          .device = status.st_dev,
          .inode = status.st_ino,
          .mode = status.st_mode,
          .size = static_cast<uint64_t>(status.st_size),
          .changed_at = Nanoseconds(status.st_mtim),
          .deleted = status.st_nlink == 0,
          .touched_at = Nanoseconds(status.st_ctim)};
}

}  // namespace retake
