#include "snapshot/file_locks.h"

#include <sys/file.h>

#include <charconv>

namespace retake {
namespace {

// Takes the next word off the front of a line.
std::string_view TakeWord(std::string_view& line) {
  size_t start = std::min(line.find_first_not_of(" \t"), line.size());
  line.remove_prefix(start);
  std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

bool ParseNumber(std::string_view word, uint64_t& out) {
  auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), out);
  return code == std::errc() && end == word.data() + word.size();
}

}  // namespace

// "lock:\t1: POSIX  ADVISORY  WRITE 123 08:01:456 0 EOF"; fs/locks.c: lock_get_status.
Result<FileLocks> ParseFileLocks(std::string_view fdinfo) {
  FileLocks locks;
  constexpr std::string_view kLabel = "lock:";
  while (!fdinfo.empty()) {
    std::string_view line = fdinfo.substr(0, fdinfo.find('\n'));
    fdinfo.remove_prefix(std::min(line.size() + 1, fdinfo.size()));
    if (!line.starts_with(kLabel)) continue;
    line.remove_prefix(kLabel.size());
    std::string_view rest = line;
    TakeWord(rest);  // a number of its own
    std::string_view kind = TakeWord(rest);
    std::string_view manner = TakeWord(rest);
    bool writes = TakeWord(rest) == "WRITE";
    if (kind == "FLOCK") {
      locks.flock = writes ? LOCK_EX : LOCK_SH;
    } else if (kind == "POSIX" || kind == "OFDLCK") {
      TakeWord(rest);  // the pid
      TakeWord(rest);  // device and inode
      RangeLock lock{.writes = writes};
      std::string_view start = TakeWord(rest), end = TakeWord(rest);
      uint64_t last = 0;
      bool open_ended = end == "EOF";
      if (!ParseNumber(start, lock.start) ||
          (!open_ended && (!ParseNumber(end, last) || last < lock.start)))
        return MakeError("can't read what the kernel says of a lock:{}", line);
      if (!open_ended) lock.length = last - lock.start + 1;
      (kind == "POSIX" ? locks.process : locks.description).push_back(lock);
    } else if (kind == "LEASE" && manner == "ACTIVE") {
      locks.lease = writes ? 2 : 1;
    } else {
      locks.unkeepable.emplace_back(line);
    }
  }
  return locks;
}

struct flock ToFlock(const RangeLock& lock) {
  struct flock out {};
  out.l_type = lock.writes ? F_WRLCK : F_RDLCK;
  out.l_whence = SEEK_SET;
  out.l_start = static_cast<off_t>(lock.start);
  out.l_len = static_cast<off_t>(lock.length);
  return out;
}

}  // namespace retake
