// What stepping an aarch64 instruction does, and how to move one.
//
// Every instruction is 4 bytes. Loads and stores are one encoding group (bits 27 and 25 are 1 and
// 0) with their address in a base register and an immediate or another register. A reservation made
// by a load-exclusive is lost at any exception, a step's too, so the sequence up to its
// store-exclusive is one step. What is relative to the pc: adr, adrp, literal loads, branches. A
// branch reaches 128 MiB. Source: Arm Architecture Reference Manual, C4.1.
#include <elf.h>

#include <algorithm>
#include <cstring>

#include "arch/aarch64/layout.h"
#include "arch/aarch64/vector_layout.h"
#include "arch/code.h"

namespace retake::machine {
namespace {

using namespace aarch64;

constexpr size_t kInstruction = 4;
constexpr uint32_t kNop = 0xd503201f;

uint32_t WordAt(ByteSpan code, size_t at) {
  uint32_t word = 0;
  memcpy(&word, code.data() + at, sizeof word);
  return word;
}

// Bits [low, low + count) of an instruction.
constexpr uint32_t Bits(uint32_t insn, int low, int count) {
  return insn >> low & ((uint32_t{1} << count) - 1);
}
constexpr int64_t SignedBits(uint32_t insn, int low, int count) {
  auto shifted = static_cast<int32_t>(insn << (32 - low - count));
  return shifted >> (32 - count);
}
constexpr bool Is(uint32_t insn, uint32_t mask, uint32_t value) { return (insn & mask) == value; }

bool IsSyscall(uint32_t insn) { return Is(insn, 0xffe0001f, 0xd4000001); }
// brk, hlt
bool IsBreak(uint32_t insn) {
  return Is(insn, 0xffe0001f, 0xd4200000) || Is(insn, 0xffe0001f, 0xd4400000);
}
// ldxr, ldxp, stxr, stxp and their acquiring and releasing forms; casp shares the encoding of pairs
// of the small sizes.
bool IsExclusive(uint32_t insn) {
  return Is(insn, 0x3f800000, 0x08000000) && (Bits(insn, 21, 1) == 0 || Bits(insn, 30, 2) >= 2);
}
bool IsLoadExclusive(uint32_t insn) { return IsExclusive(insn) && Bits(insn, 22, 1) == 1; }
bool IsStoreExclusive(uint32_t insn) { return IsExclusive(insn) && Bits(insn, 22, 1) == 0; }

bool IsBranch(uint32_t insn) { return Is(insn, 0xfc000000, 0x14000000); }
bool IsCall(uint32_t insn) { return Is(insn, 0xfc000000, 0x94000000); }
bool IsConditional(uint32_t insn) { return Is(insn, 0xff000000, 0x54000000); }
bool IsCompareAndBranch(uint32_t insn) { return Is(insn, 0x7e000000, 0x34000000); }
bool IsTestAndBranch(uint32_t insn) { return Is(insn, 0x7e000000, 0x36000000); }
bool IsBranchToRegister(uint32_t insn) { return Is(insn, 0xfe000000, 0xd6000000); }

// Of a conditional branch of any kind: its distance in bytes.
int64_t ConditionalDistance(uint32_t insn) {
  return SignedBits(insn, 5, IsTestAndBranch(insn) ? 14 : 19) * 4;
}
uint32_t WithConditionalDistance(uint32_t insn, uint32_t bytes) {
  uint32_t mask = (IsTestAndBranch(insn) ? 0x3fffU : 0x7ffffU) << 5;
  return (insn & ~mask) | bytes / 4 << 5;
}

uint8_t BaseWord(uint32_t reg) {
  return reg == 31 ? uint8_t{kSp} : static_cast<uint8_t>(kX0 + reg);
}

// The address of a load or store. False: none that this knows.
bool AddressOf(uint32_t insn, AddressRule& rule) {
  rule.base = BaseWord(Bits(insn, 5, 5));
  uint32_t size = Bits(insn, 30, 2);
  bool vector = Bits(insn, 26, 1) != 0;
  if (Is(insn, 0x3f000000, 0x08000000)) {  // exclusives, compare and swap, acquire and release
    rule.size = 16;
    return true;
  }
  if (Is(insn, 0x3a000000, 0x28000000)) {                              // pairs
    if (!vector && size == 1 && Bits(insn, 22, 1) == 0) return false;  // with a tag
    uint32_t scale = vector ? 2 + size : (size == 2 ? 3 : 2);
    rule.size = static_cast<uint16_t>(2 << scale);
    bool post = Bits(insn, 23, 2) == 1;
    rule.offset = post ? 0 : SignedBits(insn, 15, 7) * (int64_t{1} << scale);
    return true;
  }
  if (Is(insn, 0xbe000000, 0x0c000000)) {  // up to four vectors
    rule.size = 64;
    return true;
  }
  uint32_t scale = vector && Bits(insn, 23, 1) != 0 ? 4 : size;
  rule.size = static_cast<uint16_t>(1 << scale);
  if (Is(insn, 0x3b000000, 0x39000000)) {  // unsigned offset
    rule.offset = int64_t{Bits(insn, 10, 12)} << scale;
    return true;
  }
  if (Is(insn, 0x3b200000, 0x38000000)) {  // signed offset, perhaps written back
    bool post = Bits(insn, 10, 2) == 1;
    rule.offset = post ? 0 : SignedBits(insn, 12, 9);
    return true;
  }
  if (Is(insn, 0x3b200c00, 0x38200800)) {  // a register's offset
    uint32_t index = Bits(insn, 16, 5);
    if (index != 31) rule.index = static_cast<uint8_t>(kX0 + index);
    uint32_t option = Bits(insn, 13, 3);
    if (option == 2) rule.extend = AddressRule::Extend::kUnsigned32;
    if (option == 6) rule.extend = AddressRule::Extend::kSigned32;
    rule.shift = static_cast<uint8_t>(Bits(insn, 12, 1) != 0 ? scale : 0);
    return true;
  }
  if (Is(insn, 0x3b200c00, 0x38200000)) {  // atomics; 64-byte stores
    uint32_t operation = Bits(insn, 12, 3);
    return Bits(insn, 15, 1) == 0 || operation == 0 || operation == 4;
  }
  if (Is(insn, 0x3b200c00, 0x19000000)) {  // acquire and release with an offset
    rule.offset = SignedBits(insn, 12, 9);
    rule.size = 16;
    return true;
  }
  return false;
}

void AddWrites(uint32_t insn, InstructionInfo& info) {
  // Streaming matrices, stores of scalable vectors, cache and tag maintenance (which may zero).
  if (Is(insn, 0x9e000000, 0x80000000) || Is(insn, 0xfe000000, 0xe4000000) ||
      Is(insn, 0xfff80000, 0xd5080000)) {
    info.unknown_writes = true;
  }
  if (!Is(insn, 0x0a000000, 0x08000000)) return;  // no load or store
  if (Is(insn, 0x3b000000, 0x18000000)) return;   // literal
  if (Is(insn, 0x3b200400, 0x38200400)) return;   // authenticated load
  AddressRule rule;
  if (!AddressOf(insn, rule)) {
    info.unknown_writes = true;
    return;
  }
  info.writes[info.write_count++] = rule;
}

// --- Moving

constexpr int64_t kBranchReach = int64_t{1} << 27;

bool NeverFallsThrough(uint32_t insn) {
  // br and ret; blr and its kin come back.
  bool leaves = IsBranchToRegister(insn) && (Bits(insn, 21, 2) & 1) == 0;
  return IsBranch(insn) || leaves;
}

// Where an indirect branch may land: bti, and what counts as one.
bool IsLandingPad(uint32_t insn) {
  return Is(insn, 0xffffff3f, 0xd503241f) || insn == 0xd503233f || insn == 0xd503237f;
}

class Mover {
 public:
  explicit Mover(uint64_t destination) : destination_(destination) {}

  void Mark(uint64_t original) { out_.places.push_back({original, out_.bytes.size()}); }

  Status Move(uint64_t pc, uint32_t insn) {
    if (IsSyscall(insn) || IsBreak(insn) || IsExclusive(insn) || IsLandingPad(insn)) {
      return Refuse(pc, insn);
    }
    uint32_t reg = Bits(insn, 0, 5);
    if (Is(insn, 0x1f000000, 0x10000000)) {  // adr, adrp
      uint64_t immediate = static_cast<uint64_t>(SignedBits(insn, 5, 19) * 4) | Bits(insn, 29, 2);
      bool page = Bits(insn, 31, 1) != 0;
      uint64_t value = page ? (pc & ~uint64_t{0xfff}) + (immediate << 12) : pc + immediate;
      if (reg == 31) {
        Put(kNop);
      } else {
        PutLiteral(reg, value);
      }
      return {};
    }
    if (Is(insn, 0x3b000000, 0x18000000)) return LiteralLoad(pc, insn);
    if (IsBranch(insn)) return Branch(pc + Distance26(insn));
    if (IsCall(insn)) {
      PutLiteral(30, pc + kInstruction);
      return Branch(pc + Distance26(insn));
    }
    if (IsConditional(insn) || IsCompareAndBranch(insn) || IsTestAndBranch(insn)) {
      Put(WithConditionalDistance(insn, 8));
      TRY(Branch(pc + kInstruction));
      return Branch(pc + static_cast<uint64_t>(ConditionalDistance(insn)));
    }
    if (IsBranchToRegister(insn) && !NeverFallsThrough(insn)) {
      uint32_t target = Bits(insn, 5, 5);
      if (!Is(insn, 0xfffffc1f, 0xd63f0000) || target == 30) return Refuse(pc, insn);
      PutLiteral(30, pc + kInstruction);
      Put(0xd61f0000 | target << 5);
      return {};
    }
    Put(insn);
    return {};
  }

  Status Branch(uint64_t target) {
    auto distance = static_cast<int64_t>(target - (destination_ + out_.bytes.size()));
    if (distance < -kBranchReach || distance >= kBranchReach) {
      return MakeError("{:#x} is out of reach of code moved to {:#x}", target, destination_);
    }
    Put(0x14000000 | (static_cast<uint32_t>(distance >> 2) & 0x3ffffff));
    return {};
  }

  MovedCode Take(size_t consumed) {
    // Literals lie behind the code, at a multiple of 8.
    while ((destination_ + out_.bytes.size()) % 8 != 0) Put(kNop);
    for (const Literal& literal : literals_) {
      size_t distance = out_.bytes.size() - literal.at;
      uint32_t load = 0x58000000 | static_cast<uint32_t>(distance / 4) << 5 | literal.reg;
      memcpy(&out_.bytes[literal.at], &load, sizeof load);
      Put(static_cast<uint32_t>(literal.value));
      Put(static_cast<uint32_t>(literal.value >> 32));
    }
    out_.consumed = consumed;
    return std::move(out_);
  }

 private:
  struct Literal {
    size_t at;
    uint32_t reg;
    uint64_t value;
  };

  static uint64_t Distance26(uint32_t insn) {
    return static_cast<uint64_t>(SignedBits(insn, 0, 26) * 4);
  }
  static Error Refuse(uint64_t pc, uint32_t insn) {
    return MakeError("the instruction at {:#x} ({:#010x}) can't run elsewhere", pc, insn);
  }
  void Put(uint32_t insn) {
    for (int i = 0; i < 4; ++i) out_.bytes.push_back(static_cast<uint8_t>(insn >> (8 * i)));
  }
  void PutLiteral(uint32_t reg, uint64_t value) {
    literals_.push_back({out_.bytes.size(), reg, value});
    Put(0);
  }
  Status LiteralLoad(uint64_t pc, uint32_t insn) {
    uint32_t reg = Bits(insn, 0, 5);
    uint32_t kind = Bits(insn, 30, 2);
    bool vector = Bits(insn, 26, 1) != 0;
    if (!vector && kind == 3) {  // a prefetch
      Put(kNop);
      return {};
    }
    if (vector || reg == 31) return Refuse(pc, insn);
    constexpr uint32_t kLoads[] = {0xb9400000, 0xf9400000, 0xb9800000};  // ldr w, ldr x, ldrsw
    PutLiteral(reg, pc + static_cast<uint64_t>(SignedBits(insn, 5, 19) * 4));
    Put(kLoads[kind] | reg << 5 | reg);
    return {};
  }

  uint64_t destination_;
  MovedCode out_;
  std::vector<Literal> literals_;
};

}  // namespace

InstructionInfo DecodeInstruction(uint64_t, ByteSpan code) {
  InstructionInfo info;
  if (code.size() < kInstruction) return info;
  uint32_t insn = WordAt(code, 0);
  info.length = kInstruction;
  info.kind = IsSyscall(insn)         ? StepKind::kSyscall
              : IsBreak(insn)         ? StepKind::kRefused
              : IsLoadExclusive(insn) ? StepKind::kExclusive
                                      : StepKind::kPlain;
  AddWrites(insn, info);
  return info;
}

std::vector<uint64_t> ExclusiveExits(uint64_t pc, ByteSpan code) {
  std::vector<uint64_t> exits;
  for (size_t at = kInstruction; at + kInstruction <= code.size(); at += kInstruction) {
    uint32_t insn = WordAt(code, at);
    if (IsStoreExclusive(insn)) {
      exits.push_back(pc + at + kInstruction);
      // Branches to within the sequence don't leave it.
      uint64_t end = pc + at;
      std::erase_if(exits, [&](uint64_t exit) { return exit > pc && exit <= end; });
      return exits;
    }
    if (IsConditional(insn) || IsCompareAndBranch(insn) || IsTestAndBranch(insn)) {
      exits.push_back(pc + at + static_cast<uint64_t>(ConditionalDistance(insn)));
    } else if (IsBranch(insn)) {
      exits.push_back(pc + at + static_cast<uint64_t>(SignedBits(insn, 0, 26) * 4));
    } else if (IsCall(insn) || IsBranchToRegister(insn) || IsSyscall(insn)) {
      break;
    }
  }
  return {};
}

uint64_t ClearStoredStepFlag(uint64_t stored) { return stored; }

// brk's exception returns to the brk.
size_t BreakpointPcOffset() { return 0; }

// The uppermost byte of an address isn't looked at (TBI is on for user space).
uint64_t DataAddressMask() { return ~uint64_t{0} >> 8; }

// The kernel shows a task's SVE state in the long layout or, once a syscall has let it drop what
// lies beyond the vector registers, in the short one. A replay makes no such call, so where the
// long one holds nothing more, it is brought to the short one.
void MakeVectorComparable(std::vector<uint8_t>& state) {
  if (!IsSveRegset(state)) return;
  SveHeader header = SveHeaderOf(state);
  bool longer = (header.flags & kSveLayout) != 0;
  SveHeader plain{};
  plain.vector_bytes = header.vector_bytes;
  if (longer) {
    SveLayout layout(header.vector_bytes);
    if (state.size() < layout.fpsr + 2 * sizeof(uint32_t)) return;
    bool more = false;
    for (size_t at = kSveRegisters; at < layout.fpsr && !more; ++at) {
      bool low =
          at < layout.predicates && (at - kSveRegisters) % header.vector_bytes < kVectorBytes;
      more = !low && state[at] != 0;
    }
    if (more) {
      plain.flags = kSveLayout;
    } else {
      // 32 registers of 16 bytes, fpsr, fpcr, 8 bytes of padding.
      std::vector<uint8_t> brief(kSveRegisters + kVectors * kVectorBytes + 16);
      for (size_t i = 0; i < kVectors; ++i) {
        memcpy(&brief[kSveRegisters + i * kVectorBytes],
               &state[kSveRegisters + i * header.vector_bytes], kVectorBytes);
      }
      memcpy(&brief[kSveRegisters + kVectors * kVectorBytes], &state[layout.fpsr],
             2 * sizeof(uint32_t));
      state = std::move(brief);
    }
  }
  memcpy(state.data(), &plain, sizeof plain);
}

// arch/arm64/kernel/entry-common.c, fp_user_discard.
bool CallsDropVectorState() { return VectorRegset() != NT_PRFPREG; }
bool HasDroppedByCalls(ByteSpan state) {
  return IsSveRegset(state) && (SveHeaderOf(state).flags & kSveLayout) != 0;
}

Result<MovedCode> MoveCode(uint64_t from, ByteSpan code, size_t at_least, uint64_t to) {
  Mover mover(to);
  size_t at = 0;
  bool goes_on = true;
  while (at < at_least && goes_on) {
    if (code.size() < at + kInstruction) {
      return MakeError("there is no instruction that could be moved at {:#x}", from + at);
    }
    uint32_t insn = WordAt(code, at);
    mover.Mark(from + at);
    TRY(mover.Move(from + at, insn));
    goes_on = !NeverFallsThrough(insn);
    at += kInstruction;
  }
  if (goes_on) TRY(mover.Branch(from + at));
  return mover.Take(at);
}

size_t JumpBytes() { return kInstruction; }

uint64_t JumpReach() { return kBranchReach; }

// A jump is one instruction and covers nothing else. As near as may be: what is moved must reach
// its targets too.
std::optional<uint64_t> PickJumpTarget(uint64_t site, uint64_t low, uint64_t high, uint64_t room) {
  constexpr uint64_t kAlignment = 16;
  if (high - low < room) return std::nullopt;
  uint64_t last = (high - room) & ~(kAlignment - 1);
  uint64_t first = (low + kAlignment - 1) & ~(kAlignment - 1);
  if (first > last) return std::nullopt;
  uint64_t target = std::clamp(site & ~(kAlignment - 1), first, last);
  uint64_t distance = target > site ? target - site : site - target;
  if (distance + room >= static_cast<uint64_t>(kBranchReach)) return std::nullopt;
  return target;
}

std::vector<uint8_t> Jump(uint64_t site, uint64_t target) {
  auto distance = static_cast<int64_t>(target - site);
  uint32_t insn = 0x14000000 | (static_cast<uint32_t>(distance >> 2) & 0x3ffffff);
  std::vector<uint8_t> bytes(kInstruction);
  memcpy(bytes.data(), &insn, sizeof insn);
  return bytes;
}

}  // namespace retake::machine
