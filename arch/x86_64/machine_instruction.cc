// The x86_64 decoder. Knows of each opcode whether it has a ModRM byte and how long its immediate
// is: all that lengths depend on.
#include <cstring>

#include "arch/x86_64/instruction.h"
#include "arch/x86_64/trap_opcode.h"

namespace retake::x86_64 {
namespace {

// What follows an opcode. Immediates: b 1 byte, w 2, z 4 (2 with 66), v as z but 8 with REX.W, j a
// relative branch of 4, o an address (8, or 4 with 67).
enum Follow : uint8_t {
  kBad = 0x80,
  kModrm = 0x40,
  kNone = 0,
  kImm8 = 1,
  kImm16 = 2,
  kImmZ = 3,
  kImmV = 4,
  kRel32 = 5,
  kOffset = 6,
  kImm16And8 = 7,
  kTwoImm8 = 8,
  kImm32 = 9,
};

constexpr uint8_t kImmediateMask = 0x3f;

// Rows of 16 opcodes of the one-byte map. '.' nothing, 'm' ModRM, 'b' imm8, 'w' imm16, 'z' immz,
// 'v' immv, 'j' rel32, 'o' an address, 'B' ModRM and imm8, 'Z' ModRM and immz, 'e' imm16 and imm8,
// 'x' not in 64-bit mode, or a prefix or escape that is dealt with before.
constexpr const char* kOneByte[16] = {
    "mmmmbzxxmmmmbzxx",  // 00
    "mmmmbzxxmmmmbzxx",  // 10
    "mmmmbzxxmmmmbzxx",  // 20
    "mmmmbzxxmmmmbzxx",  // 30
    "xxxxxxxxxxxxxxxx",  // 40
    "................",  // 50
    "xxxmxxxxzZbB....",  // 60
    "bbbbbbbbbbbbbbbb",  // 70
    "BZxBmmmmmmmmmmmm",  // 80
    "..........x.....",  // 90
    "oooo....bz......",  // a0
    "bbbbbbbbvvvvvvvv",  // b0
    "BBw.xxBZe.w..bx.",  // c0
    "mmmmxxx.mmmmmmmm",  // d0
    "bbbbbbbbjjxb....",  // e0
    "x.xx..mm......mm",  // f0
};

// The 0f map of legacy encodings. 's': ModRM and imm8 (3DNow's opcode).
constexpr const char* kTwoByte[16] = {
    "mmmmx.....x.xm.B",  // 00
    "mmmmmmmmmmmmmmmm",  // 10
    "mmmmxxxxmmmmmmmm",  // 20
    "......x.xxxxxxxx",  // 30
    "mmmmmmmmmmmmmmmm",  // 40
    "mmmmmmmmmmmmmmmm",  // 50
    "mmmmmmmmmmmmmmmm",  // 60
    "BBBBmmm.mmxxmmmm",  // 70
    "jjjjjjjjjjjjjjjj",  // 80
    "mmmmmmmmmmmmmmmm",  // 90
    "...mBmxx...mBmmm",  // a0
    "mmmmmmmmmmBmmmmm",  // b0
    "mmBmBBBm........",  // c0
    "mmmmmmmmmmmmmmmm",  // d0
    "mmmmmmmmmmmmmmmm",  // e0
    "mmmmmmmmmmmmmmmm",  // f0
};

uint8_t FollowOf(char sign) {
  switch (sign) {
    case '.':
      return kNone;
    case 'm':
      return kModrm;
    case 'b':
      return kImm8;
    case 'w':
      return kImm16;
    case 'z':
      return kImmZ;
    case 'v':
      return kImmV;
    case 'j':
      return kRel32;
    case 'o':
      return kOffset;
    case 'B':
      return kModrm | kImm8;
    case 'Z':
      return kModrm | kImmZ;
    case 'e':
      return kImm16And8;
    default:
      return kBad;
  }
}

// In the 0f map, VEX or EVEX encoded: ModRM always, but for vzeroupper.
uint8_t VectorFollow(const Instruction& insn) {
  switch (insn.map) {
    case 1:
      if (insn.opcode == 0x77) return insn.encoding == Encoding::kVex ? kNone : kBad;
      if ((insn.opcode >= 0x70 && insn.opcode <= 0x73) || insn.opcode == 0xc2 ||
          (insn.opcode >= 0xc4 && insn.opcode <= 0xc6)) {
        return kModrm | kImm8;
      }
      return kModrm;
    case 2:
      return kModrm;
    case 3:
      return kModrm | kImm8;
    case 5:
    case 6:
      return insn.encoding == Encoding::kEvex ? kModrm : kBad;
    default:
      return kBad;
  }
}

class Decoder {
 public:
  explicit Decoder(ByteSpan code) : code_(code.first(std::min<size_t>(code.size(), 15))) {}

  std::optional<Instruction> Run() {
    Prefixes();
    uint8_t follow = Opcode();
    if (!ok_ || follow == kBad) return std::nullopt;
    if ((follow & kModrm) != 0) Modrm();
    if (!ok_) return std::nullopt;
    Immediate(FollowWithGroup(follow));
    if (!ok_) return std::nullopt;
    insn_.length = at_;
    return insn_;
  }

 private:
  uint8_t Next() {
    if (at_ >= code_.size()) {
      ok_ = false;
      return 0;
    }
    return code_[at_++];
  }
  uint8_t Peek(size_t ahead = 0) const {
    return at_ + ahead < code_.size() ? code_[at_ + ahead] : uint8_t{0};
  }
  int64_t Signed(size_t size) {
    if (at_ + size > code_.size()) {
      ok_ = false;
      return 0;
    }
    uint64_t value = 0;
    memcpy(&value, code_.data() + at_, size);
    at_ = static_cast<uint8_t>(at_ + size);
    int shift = static_cast<int>(64 - 8 * size);
    return size == 0 ? 0 : static_cast<int64_t>(value << shift) >> shift;
  }

  void Prefixes() {
    for (;;) {
      uint8_t byte = Peek();
      switch (byte) {
        case 0x66:
          insn_.operand_size = true;
          break;
        case 0x67:
          insn_.address_size = true;
          break;
        case 0xf0:
          insn_.lock = true;
          break;
        case 0xf2:
        case 0xf3:
          insn_.repeat = true;
          last_repeat_ = byte;
          break;
        case 0x64:
        case 0x65:
          insn_.segment = byte;
          break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          break;
        default:
          if ((byte & 0xf0) != 0x40) return;
          // Counts only right before the opcode.
          insn_.rex = byte;
          ++at_;
          if (!IsLegacyPrefix(Peek()) && (Peek() & 0xf0) != 0x40) return;
          insn_.rex = 0;
          --at_;
          break;
      }
      Next();
      if (!ok_) return;
    }
  }

  static bool IsLegacyPrefix(uint8_t byte) {
    return byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 ||
           byte == 0x64 || byte == 0x65 || byte == 0x26 || byte == 0x2e || byte == 0x36 ||
           byte == 0x3e;
  }

  uint8_t Opcode() {
    uint8_t byte = Next();
    bool plain = insn_.rex == 0 && !insn_.operand_size && !insn_.repeat && !insn_.lock;
    if (byte == 0xc4 || byte == 0xc5) return plain ? Vex(byte) : uint8_t{kBad};
    if (byte == 0x62) return plain ? Evex() : uint8_t{kBad};
    if (byte == 0x8f && (Peek() & 0x1f) >= 8) return plain ? Xop() : uint8_t{kBad};
    // One that was made to trap is decoded as what it was.
    bool made_to_trap = byte == kTrapEscape && TrapKindOf(Peek(), Peek(1)) != TrapKind::kNone;
    if (byte != kEscape && !made_to_trap) return Table(kMapOne, byte, kOneByte);
    byte = Next();
    if (byte == 0x38 || byte == 0x3a) {
      insn_.map = byte == 0x38 ? kMap0f38 : kMap0f3a;
      SetOpcode(Next());
      return byte == 0x38 ? kModrm : kModrm | kImm8;
    }
    if (byte == 0x78 && (insn_.operand_size || last_repeat_ == 0xf2)) {
      insn_.map = kMap0f;  // extrq, insertq
      SetOpcode(byte);
      return kModrm | kTwoImm8;
    }
    return Table(kMap0f, byte, kTwoByte);
  }

  void SetOpcode(uint8_t byte) {
    insn_.opcode = byte;
    insn_.opcode_at = static_cast<uint8_t>(at_ - 1);
  }

  uint8_t Table(uint8_t map, uint8_t byte, const char* const (&table)[16]) {
    insn_.map = map;
    SetOpcode(byte);
    return FollowOf(table[byte >> 4][byte & 15]);
  }

  // The extension bits of VEX, EVEX and XOP are stored inverted; rex_ has REX's own form.
  uint8_t Vex(uint8_t escape) {
    insn_.encoding = Encoding::kVex;
    uint8_t first = Next();
    uint8_t last = first;
    insn_.map = 1;
    extension_ = static_cast<uint8_t>(~first >> 5 & 4);
    if (escape == 0xc4) {
      extension_ = static_cast<uint8_t>(~first >> 5 & 7);
      insn_.map = first & 0x1f;
      last = Next();
    }
    insn_.vector_bytes = (last & 4) != 0 ? 32 : 16;
    insn_.vex_prefix = last & 3;
    SetOpcode(Next());
    return VectorFollow(insn_);
  }

  uint8_t Evex() {
    insn_.encoding = Encoding::kEvex;
    uint8_t first = Next();
    uint8_t second = Next();
    uint8_t third = Next();
    if ((first & 8) != 0 || (second & 4) == 0) return kBad;
    extension_ = static_cast<uint8_t>(~first >> 5 & 7);
    insn_.map = first & 7;
    insn_.vex_prefix = second & 3;
    insn_.vector_bytes = static_cast<uint8_t>(16 << std::min(third >> 5 & 3, 2));
    SetOpcode(Next());
    return VectorFollow(insn_);
  }

  uint8_t Xop() {
    insn_.encoding = Encoding::kXop;
    uint8_t first = Next();
    Next();
    extension_ = static_cast<uint8_t>(~first >> 5 & 7);
    insn_.map = first & 0x1f;
    SetOpcode(Next());
    switch (insn_.map) {
      case 8:
        return kModrm | kImm8;
      case 9:
        return kModrm;
      case 10:
        return kModrm | kImm32;
      default:
        return kBad;
    }
  }

  void Modrm() {
    insn_.has_modrm = true;
    insn_.modrm_at = at_;
    uint8_t byte = Next();
    insn_.mod = byte >> 6;
    insn_.reg = byte >> 3 & 7;
    insn_.rm = byte & 7;
    // Control and debug registers: always registers, whatever mod says.
    bool moves_control = insn_.encoding == Encoding::kLegacy && insn_.map == kMap0f &&
                         insn_.opcode >= 0x20 && insn_.opcode <= 0x23;
    insn_.memory = insn_.mod != 3 && !moves_control;
    if (!insn_.memory) return;
    uint8_t extension = insn_.encoding == Encoding::kLegacy ? insn_.rex : extension_;
    int high_base = (extension & 1) != 0 ? 8 : 0;
    int high_index = (extension & 2) != 0 ? 8 : 0;
    size_t size = insn_.mod == 1 ? 1 : insn_.mod == 2 ? 4 : 0;
    if (insn_.rm == 4) {
      uint8_t sib = Next();
      insn_.scale = sib >> 6;
      int index = (sib >> 3 & 7) + high_index;
      insn_.index = static_cast<int8_t>(index == 4 ? -1 : index);
      if ((sib & 7) == 5 && insn_.mod == 0) {
        size = 4;
      } else {
        insn_.base = static_cast<int8_t>((sib & 7) + high_base);
      }
    } else if (insn_.rm == 5 && insn_.mod == 0) {
      insn_.pc_relative = true;
      size = 4;
    } else {
      insn_.base = static_cast<int8_t>(insn_.rm + high_base);
    }
    insn_.displacement_at = at_;
    insn_.displacement_size = static_cast<uint8_t>(size);
    insn_.displacement = Signed(size);
  }

  // Groups whose members differ in their immediate: test among f6 and f7.
  uint8_t FollowWithGroup(uint8_t follow) const {
    if (insn_.Is(kMapOne, 0xf6) && insn_.reg < 2) return follow | kImm8;
    if (insn_.Is(kMapOne, 0xf7) && insn_.reg < 2) return follow | kImmZ;
    return follow;
  }

  void Immediate(uint8_t follow) {
    bool wide = (insn_.rex & 8) != 0;
    size_t immz = insn_.operand_size && !wide ? 2 : 4;
    size_t size = 0;
    switch (follow & kImmediateMask) {
      case kImm8:
        size = 1;
        break;
      case kImm16:
      case kTwoImm8:
        size = 2;
        break;
      case kImm16And8:
        size = 3;
        break;
      case kImmZ:
        size = immz;
        break;
      case kImmV:
        size = wide ? 8 : immz;
        break;
      case kRel32:
      case kImm32:
        size = 4;
        break;
      case kOffset:
        size = insn_.address_size ? 4 : 8;
        break;
      default:
        break;
    }
    insn_.immediate_at = at_;
    insn_.immediate_size = static_cast<uint8_t>(size);
    insn_.immediate = Signed(size);
  }

  ByteSpan code_;
  uint8_t at_ = 0;
  bool ok_ = true;
  uint8_t last_repeat_ = 0;
  uint8_t extension_ = 0;
  Instruction insn_;
};

}  // namespace

std::optional<Instruction> Decode(ByteSpan code) { return Decoder(code).Run(); }

}  // namespace retake::x86_64
