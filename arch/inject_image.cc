// The code to inject as arch/<isa>/inject.S was assembled into this binary.
#include <cstring>

#include "arch/arch.h"

extern "C" {
extern const uint8_t retake_inject_begin[];
extern const uint8_t retake_inject_end[];
extern const uint8_t retake_inject_call[];
extern const uint8_t retake_inject_batch[];
extern const uint8_t retake_inject_clone[];
extern const uint8_t retake_inject_stopped[];
extern const uint8_t retake_inject_table[];
}

namespace retake::machine {
namespace {

uint64_t OffsetOf(const uint8_t* label) {
  return static_cast<uint64_t>(label - retake_inject_begin);
}

}  // namespace

InjectImage Inject() {
  return {
      .code = {retake_inject_begin, static_cast<size_t>(OffsetOf(retake_inject_end))},
      .call = OffsetOf(retake_inject_call),
      .batch = OffsetOf(retake_inject_batch),
      .clone = OffsetOf(retake_inject_clone),
      .stopped = OffsetOf(retake_inject_stopped),
      .table = OffsetOf(retake_inject_table),
  };
}

std::vector<uint8_t> InjectTable(const InjectHome& home) {
  const uint64_t behind[] = {home.registers.words[HostArch().pc],
                             home.signal_mask,
                             home.scratch,
                             home.scratch_size,
                             static_cast<uint64_t>(home.pid),
                             static_cast<uint64_t>(home.tid),
                             static_cast<uint64_t>(home.stop_signal)};
  std::vector<uint8_t> table(OffsetOf(retake_inject_end) - OffsetOf(retake_inject_table));
  size_t registers = table.size() - sizeof behind;
  memcpy(table.data(), home.registers.words.data(), registers);
  memcpy(table.data() + registers, behind, sizeof behind);
  return table;
}

}  // namespace retake::machine
