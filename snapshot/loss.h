// Loss: something of a process's that a checkpoint can't keep, or can't know. Named before anything
// is done; a checkpoint that has any is refused unless it is asked for all the same, and then the
// image holds the list.
#ifndef RETAKE_SNAPSHOT_LOSS_H_
#define RETAKE_SNAPSHOT_LOSS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace retake {

enum class LossNature : uint8_t {
  kCertain = 0,
  kPossible,  // it can't be known whether there is anything to lose
  kPassing,   // as a rule gone in a moment: another try finds it no more
};

struct Loss {
  int32_t pid = 0;
  int32_t fd = -1;   // -1: not about a descriptor
  std::string kind;  // a word or two: "socket", "io_uring", "mapping"
  std::string what;  // a sentence's rest: what is there, what becomes of it, what can be done
  LossNature nature = LossNature::kCertain;
  bool forcible = true;  // false: no checkpoint can be taken, --force or not
};

template <typename V>
void Visit(V& visit, Loss& loss) {
  visit("pid", loss.pid);
  visit("fd", loss.fd);
  visit("kind", loss.kind);
  visit("what", loss.what);
  visit("nature", loss.nature);
  visit("forcible", loss.forcible);
}

// "pid 12, fd 3 (socket): ..."
std::string Describe(const Loss& loss);

using Losses = std::vector<Loss>;

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_LOSS_H_
