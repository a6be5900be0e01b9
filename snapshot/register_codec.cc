// A varint mask of the words that changed, then each word's difference, zigzag. Differences wrap
// modulo 2^64, so any value can follow any other.
#include "snapshot/register_codec.h"

#include <bit>

namespace retake {

void EncodeRegisters(const Registers& registers, const Registers& base, const ArchDescription& arch,
                     ByteWriter& out) {
  const size_t count = arch.registers.size();
  uint64_t changed = 0;
  for (size_t i = 0; i < count; i++) {
    changed |= static_cast<uint64_t>(registers.words[i] != base.words[i]) << i;
  }
  out.Varint(changed);
  for (uint64_t left = changed; left != 0; left &= left - 1) {
    int i = std::countr_zero(left);
    out.Signed(static_cast<int64_t>(registers.words[i] - base.words[i]));
  }
}

void DecodeRegisters(ByteReader& in, const Registers& base, const ArchDescription& arch,
                     Registers& registers) {
  static_assert(Registers::kMaxWords < 64);
  const size_t count = arch.registers.size();
  registers = {};
  for (size_t i = 0; i < count; i++) registers.words[i] = base.words[i];
  uint64_t changed = in.Varint();
  if (changed >> count != 0) {
    in.Fail();
    return;
  }
  for (uint64_t left = changed; left != 0; left &= left - 1) {
    registers.words[std::countr_zero(left)] += static_cast<uint64_t>(in.Signed());
  }
}

}  // namespace retake
