// What of arch/code.h needs no knowledge of an instruction set.
#include "arch/code.h"

namespace retake::machine {

uint64_t AddressRule::AddressIn(const Registers& registers) const {
  auto value = [&](uint8_t word) { return word == kNone ? 0 : registers.words[word]; };
  uint64_t scaled = value(index);
  if (extend == Extend::kUnsigned32) scaled = static_cast<uint32_t>(scaled);
  if (extend == Extend::kSigned32) {
    scaled = static_cast<uint64_t>(int64_t{static_cast<int32_t>(scaled)});
  }
  uint64_t sum = value(base) + (scaled << shift) + static_cast<uint64_t>(offset);
  if (narrow) sum = static_cast<uint32_t>(sum);
  return (sum + value(segment)) & DataAddressMask();
}

}  // namespace retake::machine
