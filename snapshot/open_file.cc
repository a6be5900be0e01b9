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
          .deleted = status.st_nlink == 0};
}

bool IsUnchanged(const NamedFile& file, const struct stat& status) {
  return static_cast<uint64_t>(status.st_size) == file.size &&
         Nanoseconds(status.st_mtim) == file.changed_at;
}

}  // namespace retake
