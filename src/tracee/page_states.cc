#include "tracee/page_states.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

namespace retake {

Result<std::vector<PageState>> ReadPageStates(pid_t pid, uint64_t start, uint64_t end) {
  static const auto kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::string path = fmt::format("/proc/{}/pagemap", pid);
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return ErrnoError("can't open {}", path);
  std::vector<uint64_t> entries((end - start) / kPageSize);
  size_t bytes = entries.size() * sizeof(uint64_t);
  ssize_t got = pread(file.get(), entries.data(), bytes,
                      static_cast<off_t>(start / kPageSize * sizeof(uint64_t)));
  if (got < 0) return ErrnoError("can't read {}", path);
  entries.resize(static_cast<size_t>(got) / sizeof(uint64_t));
  std::vector<PageState> states((end - start) / kPageSize, PageState::kAbsent);
  // Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 swapped, 61 file-backed or shared.
  for (size_t i = 0; i < entries.size(); ++i) {
    bool there = (entries[i] >> 62 & 3) != 0;
    bool file_page = (entries[i] >> 61 & 1) != 0;
    if (there) states[i] = file_page ? PageState::kFile : PageState::kOwn;
  }
  return states;
}

}  // namespace retake
