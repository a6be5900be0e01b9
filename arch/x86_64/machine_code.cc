// What stepping an x86_64 instruction does, and how to move one.
//
// A step sets the trap flag, and instructions that show the flags store it. An instruction that
// loads the stack segment holds back the trap until the next one has been executed. An x87
// instruction leaves its own address in the state. A call pushes its return address. These, and
// what is relative to the pc, are all that differs when code runs stepped or elsewhere.
#include <algorithm>
#include <array>
#include <cstring>

#include "arch/code.h"
#include "arch/x86_64/instruction.h"
#include "arch/x86_64/layout.h"

namespace retake::machine {
namespace {

using namespace x86_64;

// Words of the registers in the order of their encoding.
constexpr uint8_t kEncoded[16] = {kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi,
                                  kR8,  kR9,  kR10, kR11, kR12, kR13, kR14, kR15};

constexpr uint64_t kTrapFlag = 1 << 8;

bool IsString(const Instruction& insn) {
  return insn.encoding == Encoding::kLegacy && insn.map == kMapOne &&
         ((insn.opcode >= 0xa4 && insn.opcode <= 0xa7) ||
          (insn.opcode >= 0xaa && insn.opcode <= 0xaf) ||
          (insn.opcode >= 0x6c && insn.opcode <= 0x6f));
}

StepKind KindOf(const Instruction& insn) {
  if (insn.encoding != Encoding::kLegacy) return StepKind::kPlain;
  if (insn.map == kMap0f) {
    if (insn.opcode == 0x05 || insn.opcode == 0x34) return StepKind::kSyscall;
    if (insn.opcode == 0xb2) return StepKind::kRefused;  // lss
    return StepKind::kPlain;
  }
  if (insn.map != kMapOne) return StepKind::kPlain;
  switch (insn.opcode) {
    case 0xcd:  // int: 0x80 is a call
      return insn.immediate == -0x80 ? StepKind::kSyscall : StepKind::kRefused;
    case 0xcc:  // int3
    case 0xf1:  // int1
    case 0xcf:  // iret
    case 0xca:  // far returns
    case 0xcb:
      return StepKind::kRefused;
    case 0x8e:  // mov to ss
      return insn.reg == 2 ? StepKind::kRefused : StepKind::kPlain;
    case 0xc7:  // xbegin
      return insn.reg == 7 ? StepKind::kRefused : StepKind::kPlain;
    case 0xff:  // far call, far jump
      return insn.reg == 3 || insn.reg == 5 ? StepKind::kRefused : StepKind::kPlain;
    default:
      return StepKind::kPlain;
  }
}

// Bytes that an instruction may write through its ModRM operand; 0: none, nullopt: who knows.
std::optional<uint16_t> WriteSize(const Instruction& insn) {
  switch (insn.encoding) {
    case Encoding::kVex:
      if (insn.map == 2 && insn.opcode >= 0x90 && insn.opcode <= 0x93) return 0;  // gathers
      if (insn.map == 2 && insn.opcode == 0x4b) return std::nullopt;              // tiles
      if (insn.map == 2 && insn.opcode == 0x49) return 64;                        // tile shapes
      return insn.vector_bytes;
    case Encoding::kEvex:
      // Displacements of one byte are scaled by the operand's size: known for whole vectors only.
      if (insn.displacement_size == 1) {
        bool whole =
            insn.map == 1 && (insn.opcode == 0x7f || insn.opcode == 0x6f || insn.opcode == 0xe7 ||
                              ((insn.opcode == 0x11 || insn.opcode == 0x10 || insn.opcode == 0x28 ||
                                insn.opcode == 0x29 || insn.opcode == 0x2b) &&
                               insn.vex_prefix < 2));
        return whole ? std::optional<uint16_t>(insn.vector_bytes) : std::nullopt;
      }
      if (insn.map == 2 && insn.opcode >= 0xa0 && insn.opcode <= 0xa3) return std::nullopt;
      if (insn.map == 2 && insn.opcode >= 0x90 && insn.opcode <= 0x93) return 0;
      return insn.vector_bytes;
    case Encoding::kXop:
      return 32;
    case Encoding::kLegacy:
      break;
  }
  if (insn.map == kMap0f38) return insn.opcode == 0xf8 ? std::nullopt : std::optional<uint16_t>(16);
  if (insn.map == kMap0f3a) return 16;
  if (insn.map == kMap0f) {
    switch (insn.opcode) {
      case 0x18:  // prefetches, nops
      case 0x0d:
      case 0x1f:
        return 0;
      case 0xae:  // fxsave, xsave and their kin; stmxcsr and the flushes write little or nothing
        return insn.reg == 0 || insn.reg == 4 || insn.reg == 6 ? std::nullopt
                                                               : std::optional<uint16_t>(8);
      case 0xc7:  // cmpxchg8b, cmpxchg16b; xsavec, xsaves
        return insn.reg == 1 ? std::optional<uint16_t>(16) : std::nullopt;
      case 0xab:  // bts, btr, btc with a register: anywhere
      case 0xb3:
      case 0xbb:
        return std::nullopt;
      default:
        return 16;
    }
  }
  switch (insn.opcode) {
    case 0x8d:  // lea
      return 0;
    case 0xd9:  // fnstenv
      return insn.reg == 6 ? std::optional<uint16_t>(28) : 16;
    case 0xdd:  // fnsave
      return insn.reg == 6 ? std::optional<uint16_t>(108) : 16;
    case 0x8f:  // pop: its address is computed with the stack pointer popped
      return 16;
    default:
      return insn.opcode >= 0xd8 && insn.opcode <= 0xdf ? 16 : 8;
  }
}

AddressRule RuleOf(const Instruction& insn, uint64_t pc, uint16_t size) {
  AddressRule rule;
  if (insn.base >= 0) rule.base = kEncoded[insn.base];
  if (insn.index >= 0) rule.index = kEncoded[insn.index];
  rule.shift = insn.scale;
  rule.narrow = insn.address_size;
  rule.offset = insn.displacement;
  if (insn.encoding == Encoding::kEvex && insn.displacement_size == 1) {
    rule.offset *= insn.vector_bytes;
  }
  if (insn.pc_relative) rule.offset += static_cast<int64_t>(pc + insn.length);
  if (insn.segment == 0x64) rule.segment = kFsBase;
  if (insn.segment == 0x65) rule.segment = kGsBase;
  rule.size = size;
  return rule;
}

void AddWrite(InstructionInfo& info, const AddressRule& rule) {
  if (info.write_count == std::size(info.writes)) {
    info.unknown_writes = true;
    return;
  }
  info.writes[info.write_count++] = rule;
}

void AddWrites(const Instruction& insn, uint64_t pc, InstructionInfo& info) {
  if (insn.memory) {
    std::optional<uint16_t> size = WriteSize(insn);
    if (!size) {
      info.unknown_writes = true;
    } else if (*size > 0) {
      AddWrite(info, RuleOf(insn, pc, *size));
    }
  }
  auto through = [&](uint8_t word, int64_t offset, uint16_t size) {
    AddressRule rule;
    rule.base = word;
    rule.offset = offset;
    rule.size = size;
    rule.narrow = insn.address_size;
    AddWrite(info, rule);
  };
  if (insn.map == kMap0f && insn.opcode == 0xf7) {  // maskmovq, maskmovdqu, with or without VEX
    AddressRule rule;
    rule.base = kRdi;
    rule.size = 16;
    rule.narrow = insn.address_size;
    if (insn.segment != 0) rule.segment = insn.segment == 0x64 ? kFsBase : kGsBase;
    AddWrite(info, rule);
  }
  if (insn.encoding != Encoding::kLegacy) return;
  bool pushes_address = false;
  if (insn.map == kMap0f) {
    pushes_address = insn.opcode == 0xa0 || insn.opcode == 0xa8;  // push fs, gs
    // Through rax, 64 bytes of a line: clzero.
    if (insn.opcode == 0x01 && insn.mod == 3 && insn.reg == 7 && insn.rm == 4) {
      info.unknown_writes = true;
    }
  } else if (insn.map == kMapOne) {
    uint8_t code = insn.opcode;
    pushes_address = (code >= 0x50 && code <= 0x57) || code == 0x68 || code == 0x6a ||
                     code == 0x9c || code == 0xe8 ||
                     (code == 0xff && (insn.reg == 2 || insn.reg == 6));
    if (code == 0xc8) info.unknown_writes = true;  // enter
    if (code == 0xa4 || code == 0xa5 || code == 0xaa || code == 0xab || code == 0x6c ||
        code == 0x6d) {
      through(kRdi, 0, 8);
    }
    if (code == 0xa2 || code == 0xa3) {
      AddressRule rule;
      rule.offset = insn.immediate;
      rule.narrow = insn.address_size;
      rule.size = 8;
      if (insn.segment != 0) rule.segment = insn.segment == 0x64 ? kFsBase : kGsBase;
      AddWrite(info, rule);
    }
  }
  if (pushes_address) {
    AddressRule rule;
    rule.base = kRsp;
    rule.offset = -8;
    rule.size = 8;
    AddWrite(info, rule);
  }
}

// --- Moving

bool IsX87(const Instruction& insn) {
  return insn.encoding == Encoding::kLegacy && insn.map == kMapOne &&
         ((insn.opcode >= 0xd8 && insn.opcode <= 0xdf) || insn.opcode == 0x9b);
}

// Whether nothing behind it is executed next.
bool NeverFallsThrough(const Instruction& insn) {
  if (insn.encoding != Encoding::kLegacy) return false;
  if (insn.map == kMap0f) return insn.opcode == 0x0b || insn.opcode == 0xb9 || insn.opcode == 0xff;
  if (insn.map != kMapOne) return false;
  switch (insn.opcode) {
    case 0xe9:
    case 0xeb:
    case 0xc2:
    case 0xc3:
    case 0xf4:
      return true;
    case 0xff:
      return insn.reg == 4;
    default:
      return false;
  }
}

class Mover {
 public:
  Mover(uint64_t from, ByteSpan code, uint64_t destination)
      : from_(from), code_(code), destination_(destination) {}

  // Moves the instruction at offset `at` of the code.
  Status Move(size_t at, const Instruction& insn) {
    at_ = at;
    uint64_t next = from_ + at + insn.length;
    StepKind kind = KindOf(insn);
    if (kind != StepKind::kPlain || IsX87(insn)) return Refuse(insn, "can't run elsewhere");
    if (insn.encoding == Encoding::kLegacy) {
      if (insn.map == kMapOne) {
        uint8_t code = insn.opcode;
        if (code >= 0x70 && code <= 0x7f) return Branch(insn, next, code & 15);
        if (code >= 0xe0 && code <= 0xe3) return Loop(insn, next);
        if (code == 0xeb || code == 0xe9) return JumpTo(insn, next);
        if (code == 0xe8) return Call(insn, next);
        if (code == 0xff && insn.reg == 2) return CallIndirect(insn, next);
      } else if (insn.map == kMap0f && insn.opcode >= 0x80 && insn.opcode <= 0x8f) {
        return Branch(insn, next, insn.opcode & 15);
      }
    }
    size_t begin = out_.bytes.size();
    ByteSpan original = code_.subspan(at, insn.length);
    Put(original);
    if (insn.pc_relative) {
      uint64_t target = next + static_cast<uint64_t>(insn.displacement);
      TRY(PutRelative(begin + insn.displacement_at, target, Here(), insn));
    }
    return {};
  }

  void Mark(uint64_t original) { out_.places.push_back({original, out_.bytes.size()}); }
  // A jump to where the originals go on.
  Status Continue(uint64_t target) {
    Put(0xe9);
    return PutTarget(target);
  }
  MovedCode Take(size_t consumed) {
    out_.consumed = consumed;
    return std::move(out_);
  }

 private:
  uint64_t Here() const { return destination_ + out_.bytes.size(); }
  void Put(uint8_t byte) { out_.bytes.push_back(byte); }
  void Put(ByteSpan bytes) { out_.bytes.insert(out_.bytes.end(), bytes.begin(), bytes.end()); }
  void Put32(uint32_t value) {
    for (int i = 0; i < 4; ++i) Put(static_cast<uint8_t>(value >> (8 * i)));
  }

  Error Refuse(const Instruction& insn, const char* why) const {
    return MakeError("the instruction at {:#x} (opcode {:#x} of map {}) {}", from_ + at_,
                     insn.opcode, insn.map, why);
  }

  // Four bytes that lead from `next` to `target`.
  Status PutRelative(size_t offset, uint64_t target, uint64_t next, const Instruction&) {
    auto distance = static_cast<int64_t>(target - next);
    auto near = static_cast<int32_t>(distance);
    if (near != distance) {
      return MakeError("{:#x} is out of reach of code moved to {:#x}", target, destination_);
    }
    memcpy(out_.bytes.data() + offset, &near, sizeof near);
    return {};
  }
  Status PutTarget(uint64_t target) {
    Put32(0);
    return PutRelative(out_.bytes.size() - 4, target, Here(), {});
  }

  Status Branch(const Instruction& insn, uint64_t next, int condition) {
    Put(0x0f);
    Put(static_cast<uint8_t>(0x80 | condition));
    return PutTarget(next + static_cast<uint64_t>(insn.immediate));
  }
  Status JumpTo(const Instruction& insn, uint64_t next) {
    Put(0xe9);
    return PutTarget(next + static_cast<uint64_t>(insn.immediate));
  }
  // loop, loope, loopne, jrcxz reach 127 bytes only: branch to a jump behind.
  Status Loop(const Instruction& insn, uint64_t next) {
    Put(code_.subspan(at_, insn.length - 1));
    Put(2);
    Put(0xeb);
    Put(5);
    return JumpTo(insn, next);
  }
  // The return address must be the original's: push it in two halves, with no register and no flag.
  void PushReturn(uint64_t next) {
    Put(0x68);
    Put32(static_cast<uint32_t>(next));
    constexpr uint8_t kStoreUpper[] = {0xc7, 0x44, 0x24, 0x04};  // mov dword [rsp + 4], imm32
    Put(ByteSpan(kStoreUpper));
    Put32(static_cast<uint32_t>(next >> 32));
  }
  Status Call(const Instruction& insn, uint64_t next) {
    PushReturn(next);
    return JumpTo(insn, next);
  }
  Status CallIndirect(const Instruction& insn, uint64_t next) {
    bool high_base = (insn.rex & 1) != 0;
    if ((insn.memory && insn.base == 4) || (!insn.memory && insn.rm == 4 && !high_base)) {
      return Refuse(insn, "calls through the stack pointer");
    }
    PushReturn(next);
    size_t begin = out_.bytes.size();
    Put(code_.subspan(at_, insn.length));
    // call is /2 of its group, jmp is /4.
    uint8_t& modrm = out_.bytes[begin + insn.modrm_at];
    modrm = static_cast<uint8_t>((modrm & ~0x38) | 4 << 3);
    if (!insn.pc_relative) return {};
    return PutRelative(begin + insn.displacement_at,
                       next + static_cast<uint64_t>(insn.displacement), Here(), insn);
  }

  uint64_t from_;
  ByteSpan code_;
  uint64_t destination_;
  size_t at_ = 0;
  MovedCode out_;
};

// --- Jumps

constexpr size_t kJumpBytes = 5;

// Bytes that, where an instruction begins with them, raise a fault before anything happens: invalid
// in 64-bit mode, or for the kernel only.
constexpr std::array<uint8_t, 32> kTrapping = {
    0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x6c, 0x6d, 0x6e,
    0x6f, 0x82, 0x9a, 0xce, 0xd4, 0xd6, 0xe4, 0xe5, 0xe6, 0xe7, 0xea, 0xec, 0xed, 0xee, 0xfa, 0xfb};

}  // namespace

InstructionInfo DecodeInstruction(uint64_t pc, ByteSpan code) {
  InstructionInfo info;
  std::optional<Instruction> insn = Decode(code);
  if (!insn) return info;
  info.length = insn->length;
  info.kind = KindOf(*insn);
  info.repeats = insn->repeat && IsString(*insn);
  info.stores_flags = insn->Is(kMapOne, 0x9c);
  AddWrites(*insn, pc, info);
  return info;
}

std::vector<uint64_t> ExclusiveExits(uint64_t, ByteSpan) { return {}; }

uint64_t ClearStoredStepFlag(uint64_t stored) { return stored & ~kTrapFlag; }

uint64_t DataAddressMask() { return ~uint64_t{0}; }

size_t BreakpointPcOffset() { return BreakpointInstruction().size(); }

// The header's first word says which components aren't in their initial state, as far as the CPU
// cares to track: a component in that state may or may not be named, and its bytes are the same.
// Linux, arch/x86/kernel/fpu/xstate.c, __copy_xstate_to_uabi_buf.
void MakeVectorComparable(std::vector<uint8_t>& state) {
  constexpr size_t kLegacyBytes = 512;
  if (state.size() >= kLegacyBytes + 8) memset(state.data() + kLegacyBytes, 0, 8);
}

bool CallsDropVectorState() { return false; }
bool HasDroppedByCalls(ByteSpan) { return false; }

Result<MovedCode> MoveCode(uint64_t from, ByteSpan code, size_t at_least, uint64_t to) {
  Mover mover(from, code, to);
  size_t at = 0;
  bool goes_on = true;
  while (at < at_least && goes_on) {
    std::optional<Instruction> insn = Decode(code.subspan(at));
    if (!insn) return MakeError("there is no instruction that could be moved at {:#x}", from + at);
    mover.Mark(from + at);
    TRY(mover.Move(at, *insn));
    goes_on = !NeverFallsThrough(*insn);
    at += insn->length;
  }
  if (goes_on) TRY(mover.Continue(from + at));
  return mover.Take(at);
}

size_t JumpBytes() { return kJumpBytes; }

uint64_t JumpReach() { return uint64_t{1} << 31; }

std::optional<uint64_t> PickJumpTarget(uint64_t site, uint64_t low, uint64_t high, uint64_t room) {
  if (high - low < room) return std::nullopt;
  uint64_t last = high - room;
  uint64_t next = site + kJumpBytes;
  // The distance's bytes from the highest down: the two highest place it within 64 KiB.
  for (uint8_t top : kTrapping) {
    for (uint8_t upper : kTrapping) {
      auto distance = static_cast<int32_t>(uint32_t{top} << 24 | uint32_t{upper} << 16);
      uint64_t begin = next + static_cast<uint64_t>(int64_t{distance});
      if (begin + 0x10000 <= low || begin > last) continue;
      for (uint8_t lower : kTrapping) {
        for (uint8_t bottom : kTrapping) {
          uint64_t target = begin + (uint64_t{lower} << 8 | bottom);
          if (target >= low && target <= last) return target;
        }
      }
    }
  }
  return std::nullopt;
}

std::vector<uint8_t> Jump(uint64_t site, uint64_t target) {
  std::vector<uint8_t> bytes(kJumpBytes);
  auto distance = static_cast<int32_t>(target - (site + kJumpBytes));
  bytes[0] = 0xe9;
  memcpy(&bytes[1], &distance, sizeof distance);
  return bytes;
}

}  // namespace retake::machine
