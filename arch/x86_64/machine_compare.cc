// The comparing trampoline of x86_64.
//
// Its data lie below 2 GiB, so every instruction can name them by a 32-bit absolute address and
// needs no base register. One register is borrowed, kept in the data; the flags are kept in that
// register by lahf and seto and brought back by an addition that overflows if they say so, and
// sahf. That outcome, "not equal", takes some 20 instructions. Where a register is known that
// tells, it is looked at before all that, by what changes no flags: its sum with what makes it
// zero, and jrcxz.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "arch/code.h"
#include "arch/x86_64/layout.h"

namespace retake::machine {
namespace {

using namespace x86_64;

constexpr size_t kVectors = 16;

struct Data {
  uint64_t saved_rax;
  uint64_t saved_rcx;
  uint64_t saved_flags;  // as ax has them after lahf and seto al
  uint64_t passings;
  uint64_t flags;
  uint64_t registers[16];  // in the order of their encoding
  uint64_t word_addresses[kMaxComparedWords];
  uint64_t word_values[kMaxComparedWords];
  uint64_t vectors[kVectors];  // the low 8 bytes of each
};
static_assert(sizeof(Data) <= kCompareDataBytes);

constexpr uint8_t kEncoded[16] = {kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi,
                                  kR8,  kR9,  kR10, kR11, kR12, kR13, kR14, kR15};

// Offset of the vector registers in an XSAVE area, and their distance (Intel's manual, volume 1,
// 10.5.1).
constexpr size_t kXmmOffset = 160;
constexpr size_t kXmmBytes = 16;

constexpr uint64_t kCarry = 1, kParity = 4, kAdjust = 16, kZero = 64, kSign = 128, kOverflow = 2048;
constexpr uint64_t kAlwaysSet = 2;  // bit 1 of the flags

// The flags as lahf and seto al leave them in ax.
uint64_t FlagsInAx(uint64_t flags) {
  uint64_t ah = (flags & (kCarry | kParity | kAdjust | kZero | kSign)) | kAlwaysSet;
  return ah << 8 | ((flags & kOverflow) != 0 ? 1 : 0);
}

// The number of a register in instructions.
int EncodingOf(size_t word) {
  return static_cast<int>(std::ranges::find(kEncoded, word) - std::begin(kEncoded));
}

class Writer {
 public:
  Writer(uint64_t at, uint64_t data) : at_(at), data_(data) {}

  void Put(std::initializer_list<int> bytes) {
    for (int byte : bytes) bytes_.push_back(static_cast<uint8_t>(byte));
  }
  // ... [absolute address of a word of Data]: ModRM 00 reg 100, SIB with neither base nor index.
  void Absolute(int reg, size_t offset) {
    Put({reg << 3 | 4, 0x25});
    Put32(static_cast<uint32_t>(data_ + offset));
  }
  // op reg, [word]: 03 add, 3b cmp, 8b mov, 89 mov to memory.
  void WithWord(int op, int reg, size_t offset) {
    Put({0x48 | (reg >= 8 ? 4 : 0), op});
    Absolute(reg & 7, offset);
  }
  void JumpUnlessEqual(std::vector<size_t>& fixups) {
    Put({0x0f, 0x85});
    fixups.push_back(bytes_.size());
    Put32(0);
  }
  void Land(const std::vector<size_t>& fixups) {
    for (size_t at : fixups) {
      auto distance = static_cast<uint32_t>(bytes_.size() - (at + 4));
      memcpy(&bytes_[at], &distance, sizeof distance);
    }
  }
  void Put32(uint32_t value) {
    for (int i = 0; i < 4; ++i) bytes_.push_back(static_cast<uint8_t>(value >> (8 * i)));
  }
  void Append(ByteSpan bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  size_t size() const { return bytes_.size(); }
  uint64_t Here() const { return at_ + bytes_.size(); }
  std::vector<uint8_t> Take() { return std::move(bytes_); }

  // Flags from ax, then rax.
  void Restore() {
    Put({0x04, 0x7f});  // add al, 0x7f: overflows if al is 1
    Put({0x9e});        // sahf
    WithWord(0x8b, 0, offsetof(Data, saved_rax));
  }

 private:
  uint64_t at_;
  uint64_t data_;
  std::vector<uint8_t> bytes_;
};

}  // namespace

bool MayCompareFirst(size_t word) {
  // rcx is where the sum is.
  return word != kRcx && std::ranges::find(kEncoded, word) != std::end(kEncoded);
}

Result<CompareCode> BuildCompare(uint64_t site, ByteSpan code, uint64_t at, uint64_t data,
                                 std::optional<RegisterValue> first) {
  if (data + kCompareDataBytes > uint64_t{1} << 31) {
    return MakeError("the data of a comparison must lie below 2 GiB, not at {:#x}", data);
  }
  CompareCode out;
  Writer writer(at, data);
  std::vector<size_t> unequal_first;  // flags are the program's
  std::vector<size_t> unequal;        // flags are in ax
  std::vector<size_t> unequal_late;   // flags are in the data

  if (first) {
    constexpr int kRcxEncoded = 1;
    writer.WithWord(0x89, kRcxEncoded, offsetof(Data, saved_rcx));
    writer.WithWord(0x8b, kRcxEncoded, offsetof(Data, passings));
    writer.Put({0x48, 0x8d, 0x49, 0x01});  // lea rcx, [rcx + 1]
    writer.WithWord(0x89, kRcxEncoded, offsetof(Data, passings));
    writer.Put({0x48, 0xb9});  // mov rcx, what makes the register zero
    writer.Put32(static_cast<uint32_t>(-first->value));
    writer.Put32(static_cast<uint32_t>(-first->value >> 32));
    // lea rcx, [reg + rcx + 0]: ModRM 01 rcx 100, SIB with rcx as the index.
    int reg = EncodingOf(first->word);
    writer.Put({0x48 | (reg >= 8 ? 1 : 0), 0x8d, 0x4c, kRcxEncoded << 3 | (reg & 7), 0x00});
    constexpr int kMovSize = 8, kJumpSize = 5;
    writer.Put({0xe3, kMovSize + kJumpSize});  // jrcxz, over the next two
    writer.WithWord(0x8b, kRcxEncoded, offsetof(Data, saved_rcx));
    writer.Put({0xe9});
    unequal_first.push_back(writer.size());
    writer.Put32(0);
    writer.WithWord(0x8b, kRcxEncoded, offsetof(Data, saved_rcx));
  }
  writer.WithWord(0x89, 0, offsetof(Data, saved_rax));
  writer.Put({0x9f});              // lahf
  writer.Put({0x0f, 0x90, 0xc0});  // seto al
  if (!first) {
    writer.Put({0x48, 0xff});  // inc qword
    writer.Absolute(0, offsetof(Data, passings));
  }
  for (int reg = 15; reg >= 1; --reg) {
    writer.WithWord(0x3b, reg, offsetof(Data, registers) + 8 * static_cast<size_t>(reg));
    writer.JumpUnlessEqual(unequal);
  }
  writer.Put({0x66, 0x3b});  // cmp ax, word
  writer.Absolute(0, offsetof(Data, flags));
  writer.JumpUnlessEqual(unequal);
  writer.WithWord(0x89, 0, offsetof(Data, saved_flags));
  writer.WithWord(0x8b, 0, offsetof(Data, saved_rax));
  writer.WithWord(0x3b, 0, offsetof(Data, registers));
  writer.JumpUnlessEqual(unequal_late);
  out.first_word_pc = writer.Here();
  for (size_t i = 0; i < kMaxComparedWords; ++i) {
    writer.WithWord(0x8b, 0, offsetof(Data, word_addresses) + 8 * i);
    writer.Put({0x48, 0x8b, 0x00});  // mov rax, [rax]
    writer.WithWord(0x3b, 0, offsetof(Data, word_values) + 8 * i);
    writer.JumpUnlessEqual(unequal_late);
  }
  out.words_end_pc = writer.Here();
  for (size_t i = 0; i < kVectors; ++i) {
    // movq rax, xmm: reads the low half, and leaves alone what the CPU tracks of the upper ones.
    writer.Put({0x66, 0x48 | (i >= 8 ? 4 : 0), 0x0f, 0x7e, 0xc0 | static_cast<int>(i & 7) << 3});
    writer.WithWord(0x3b, 0, offsetof(Data, vectors) + 8 * i);
    writer.JumpUnlessEqual(unequal_late);
  }
  writer.WithWord(0x8b, 0, offsetof(Data, saved_flags));
  writer.Restore();
  writer.Put({0xcc});
  out.match_pc = writer.Here();

  writer.Land(unequal_late);
  out.mismatch_pc = writer.Here();
  writer.WithWord(0x8b, 0, offsetof(Data, saved_flags));
  writer.Land(unequal);
  writer.Restore();
  writer.Land(unequal_first);
  out.resume_pc = writer.Here();
  out.moved = TRY(MoveCode(site, code, JumpBytes(), out.resume_pc));
  writer.Append(out.moved.bytes);
  out.bytes = writer.Take();
  return out;
}

std::vector<uint8_t> CompareData(uint64_t data, const Registers& expected, ByteSpan vector,
                                 std::span<const WordValue> words, const Registers&) {
  Data out{};
  out.flags = FlagsInAx(expected.words[kEflags]);
  for (size_t i = 0; i < 16; ++i) out.registers[i] = expected.words[kEncoded[i]];
  for (size_t i = 0; i < kMaxComparedWords; ++i) {
    // A slot that isn't used compares a word of these data with itself.
    bool used = i < words.size();
    out.word_addresses[i] =
        used ? words[i].address : data + offsetof(Data, word_values) + sizeof(uint64_t) * i;
    out.word_values[i] = used ? words[i].value : 0;
  }
  for (size_t i = 0; i < kVectors; ++i) {
    size_t at = kXmmOffset + kXmmBytes * i;
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
