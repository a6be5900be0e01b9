// UnseenCode: memory of a process that the program has made executable, and that isn't yet, because
// nobody has looked at what is to be executed there. Execution that comes there faults; the
// recorder looks at the code, and lets it be executed.
#ifndef RETAKE_REPLAY_UNSEEN_CODE_H_
#define RETAKE_REPLAY_UNSEEN_CODE_H_

#include <cstdint>
#include <map>
#include <optional>

namespace retake {

class UnseenCode {
 public:
  // All in bytes, whole pages. `prot` is what the program has asked for.
  void Add(uint64_t address, uint64_t size, uint32_t prot);
  // It is executable now, can't be any more, or is something else.
  void Remove(uint64_t address, uint64_t size);
  // As mremap moves it.
  void Move(uint64_t from, uint64_t from_size, uint64_t to, uint64_t to_size);
  // What the program has asked for there; nullopt: it isn't withheld.
  std::optional<uint32_t> ProtectionAt(uint64_t address) const;

 private:
  struct Piece {
    uint64_t end;
    uint32_t prot;
  };
  std::map<uint64_t, Piece> pieces_;  // by beginning; none overlap
};

}  // namespace retake

#endif  // RETAKE_REPLAY_UNSEEN_CODE_H_
