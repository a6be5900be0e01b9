// The comparing trampoline of aarch64.
//
// There is no absolute addressing, so the code needs a base register before it can save one. The
// first is kept in the thread pointer's system register, which user code may write, until it is in
// memory; the thread pointer is then put back from the data. (It doesn't change while a task
// computes, but by an instruction that only a thread library's start executes.)
//
// Writing that register is dear. So where another one is known that tells, its bits are looked at
// before anything is kept, one after the other, which needs no register and no flags.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "arch/aarch64/layout.h"
#include "arch/aarch64/vector_layout.h"
#include "arch/code.h"

namespace retake::machine {
namespace {

using namespace aarch64;

constexpr size_t kGeneral = 31;

struct Data {
  uint64_t saved[3];  // x0, x1, x2
  uint64_t saved_flags;
  uint64_t thread_pointer;
  uint64_t passings;
  uint64_t flags;
  uint64_t sp;
  uint64_t registers[kGeneral];
  uint64_t word_addresses[kMaxComparedWords];
  uint64_t word_values[kMaxComparedWords];
  uint64_t vectors[kVectors];  // the low 8 bytes of each
};
static_assert(sizeof(Data) <= kCompareDataBytes);

constexpr uint64_t kConditionFlags = uint64_t{0xf} << 28;

// Bits of a telling register that are looked at first, from the lowest: counters and pointers
// differ there.
constexpr uint32_t kFirstBits = 32;

class Writer {
 public:
  explicit Writer(uint64_t at) : at_(at) {}

  void Put(uint32_t insn) {
    for (int i = 0; i < 4; ++i) bytes_.push_back(static_cast<uint8_t>(insn >> (8 * i)));
  }
  // ldr, str reg, [x0, #offset]
  void Load(uint32_t reg, size_t offset) {
    Put(0xf9400000 | static_cast<uint32_t>(offset / 8) << 10 | reg);
  }
  void Store(uint32_t reg, size_t offset) {
    Put(0xf9000000 | static_cast<uint32_t>(offset / 8) << 10 | reg);
  }
  // cmp reg, x2; b.ne
  void CompareWithX2(uint32_t reg) {
    Put(0xeb02001f | reg << 5);
    unequal_.push_back(bytes_.size());
    Put(0x54000001);
  }
  void LandUnequal() {
    for (size_t at : unequal_) {
      uint32_t insn = 0x54000001 | static_cast<uint32_t>((bytes_.size() - at) / 4) << 5;
      memcpy(&bytes_[at], &insn, sizeof insn);
    }
  }
  // tbz or tbnz reg, #bit
  void JumpUnlessBitIs(uint32_t reg, uint32_t bit, bool set) {
    wrong_bit_.push_back(bytes_.size());
    Put((set ? 0x36000000 : 0x37000000) | (bit >> 5) << 31 | (bit & 31) << 19 | reg);
  }
  void LandWrongBit() {
    for (size_t at : wrong_bit_) {
      uint32_t insn = 0;
      memcpy(&insn, &bytes_[at], sizeof insn);
      insn |= static_cast<uint32_t>((bytes_.size() - at) / 4) << 5;
      memcpy(&bytes_[at], &insn, sizeof insn);
    }
  }
  void RestoreAllButBase() {
    Load(1, offsetof(Data, saved_flags));
    Put(0xd51b4201);  // msr nzcv, x1
    Load(2, offsetof(Data, saved) + 16);
  }
  void RestoreBase() {
    Load(1, offsetof(Data, saved) + 8);
    Load(0, offsetof(Data, saved));
  }
  void Append(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  uint64_t Here() const { return at_ + bytes_.size(); }
  std::vector<uint8_t> Take() { return std::move(bytes_); }

 private:
  uint64_t at_;
  std::vector<uint8_t> bytes_;
  std::vector<size_t> unequal_;
  std::vector<size_t> wrong_bit_;
};

}  // namespace

bool MayCompareFirst(size_t word) { return word >= kX0 && word < kX0 + kGeneral; }

Result<CompareCode> BuildCompare(uint64_t site, ByteSpan code, uint64_t at, uint64_t data,
                                 std::optional<RegisterValue> first) {
  if (data + kCompareDataBytes > uint64_t{1} << 31) {
    return MakeError("the data of a comparison must lie below 2 GiB, not at {:#x}", data);
  }
  CompareCode out;
  Writer writer(at);
  for (uint32_t bit = 0; first && bit < kFirstBits; ++bit) {
    auto reg = static_cast<uint32_t>(first->word - kX0);
    writer.JumpUnlessBitIs(reg, bit, (first->value >> bit & 1) != 0);
  }
  writer.Put(0xd51bd040);  // msr tpidr_el0, x0
  // movz x0, low half; movk x0, high half, lsl 16
  writer.Put(0xd2800000 | static_cast<uint32_t>(data & 0xffff) << 5);
  writer.Put(0xf2a00000 | static_cast<uint32_t>(data >> 16 & 0xffff) << 5);
  writer.Store(1, offsetof(Data, saved) + 8);
  writer.Put(0xd53bd041);  // mrs x1, tpidr_el0
  writer.Store(1, offsetof(Data, saved));
  writer.Load(1, offsetof(Data, thread_pointer));
  writer.Put(0xd51bd041);  // msr tpidr_el0, x1
  writer.Load(1, offsetof(Data, passings));
  writer.Put(0x91000421);  // add x1, x1, #1
  writer.Store(1, offsetof(Data, passings));
  writer.Store(2, offsetof(Data, saved) + 16);
  writer.Put(0xd53b4201);  // mrs x1, nzcv
  writer.Store(1, offsetof(Data, saved_flags));
  for (uint32_t reg = 0; reg < kGeneral; ++reg) {
    writer.Load(2, offsetof(Data, registers) + 8 * reg);
    if (reg < 3) writer.Load(1, offsetof(Data, saved) + 8 * reg);
    writer.CompareWithX2(reg < 3 ? 1 : reg);
  }
  writer.Put(0x910003e1);  // mov x1, sp
  writer.Load(2, offsetof(Data, sp));
  writer.CompareWithX2(1);
  writer.Load(1, offsetof(Data, saved_flags));
  writer.Load(2, offsetof(Data, flags));
  writer.CompareWithX2(1);
  out.first_word_pc = writer.Here();
  for (size_t i = 0; i < kMaxComparedWords; ++i) {
    writer.Load(1, offsetof(Data, word_addresses) + 8 * i);
    writer.Put(0xf9400021);  // ldr x1, [x1]
    writer.Load(2, offsetof(Data, word_values) + 8 * i);
    writer.CompareWithX2(1);
  }
  out.words_end_pc = writer.Here();
  for (uint32_t i = 0; i < kVectors; ++i) {
    writer.Put(0x9e660001 | i << 5);  // fmov x1, d
    writer.Load(2, offsetof(Data, vectors) + 8 * i);
    writer.CompareWithX2(1);
  }
  writer.RestoreAllButBase();
  writer.RestoreBase();
  out.match_pc = writer.Here();
  writer.Put(0xd4200000);  // brk #0

  writer.LandUnequal();
  out.mismatch_pc = writer.Here();
  writer.RestoreAllButBase();
  writer.RestoreBase();
  writer.LandWrongBit();
  out.resume_pc = writer.Here();
  out.moved = TRY(MoveCode(site, code, JumpBytes(), out.resume_pc));
  writer.Append(out.moved.bytes);
  out.bytes = writer.Take();
  return out;
}

std::vector<uint8_t> CompareData(uint64_t data, const Registers& expected, ByteSpan vector,
                                 std::span<const WordValue> words, const Registers& current) {
  Data out{};
  out.thread_pointer = current.words[kTpidr];
  out.flags = expected.words[kPstate] & kConditionFlags;
  out.sp = expected.words[kSp];
  for (size_t i = 0; i < kGeneral; ++i) out.registers[i] = expected.words[kX0 + i];
  for (size_t i = 0; i < kMaxComparedWords; ++i) {
    // A slot that isn't used compares a word of these data with itself.
    bool used = i < words.size();
    out.word_addresses[i] =
        used ? words[i].address : data + offsetof(Data, word_values) + sizeof(uint64_t) * i;
    out.word_values[i] = used ? words[i].value : 0;
  }
  for (size_t i = 0; i < kVectors; ++i) {
    size_t at = VectorOffset(vector, i);
    if (at + 8 <= vector.size()) memcpy(&out.vectors[i], vector.data() + at, 8);
  }
  std::vector<uint8_t> bytes(sizeof out);
  memcpy(bytes.data(), &out, sizeof out);
  return bytes;
}

uint64_t ComparedPassings(ByteSpan data) {
  Data in{};
  memcpy(&in, data.data(), std::min(data.size(), sizeof in));
  return in.passings;
}

}  // namespace retake::machine
