// An x86_64 instruction taken apart as far as stepping and moving code need it: prefixes, opcode,
// and where its operands' bytes are.
//
// An instruction is: legacy prefixes in any order; REX, right before the opcode, or VEX (c4, c5),
// EVEX (62) or XOP (8f) with the map and some prefixes in them; an opcode in one of several maps;
// ModRM, perhaps SIB, perhaps a displacement of 1 or 4 bytes; an immediate. ModRM with mod 0 and rm
// 5 is relative to the address behind the instruction. Source: Intel's manual, volume 2, chapter 2
// and appendix A.
#ifndef RETAKE_ARCH_X86_64_INSTRUCTION_H_
#define RETAKE_ARCH_X86_64_INSTRUCTION_H_

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace retake::x86_64 {

enum class Encoding : uint8_t { kLegacy, kVex, kEvex, kXop };

// Opcode maps, numbered as VEX and EVEX number them; 0 is the one-byte map.
enum : uint8_t { kMapOne = 0, kMap0f = 1, kMap0f38 = 2, kMap0f3a = 3 };

struct Instruction {
  uint8_t length = 0;
  Encoding encoding = Encoding::kLegacy;
  uint8_t map = 0;
  uint8_t opcode = 0;
  uint8_t opcode_at = 0;  // offset of the opcode byte
  uint8_t rex = 0;        // 0, or the byte
  bool operand_size = false, address_size = false, repeat = false,
       lock = false;         // 66, 67, f2/f3, f0
  uint8_t segment = 0;       // 0x64 or 0x65, or 0
  uint8_t vector_bytes = 0;  // of VEX and EVEX
  uint8_t vex_prefix = 0;    // pp of VEX and EVEX: 0, 66, f3, f2 as 0 .. 3

  bool has_modrm = false;
  uint8_t modrm_at = 0;              // offset of the ModRM byte
  uint8_t mod = 0, reg = 0, rm = 0;  // rm and reg without extension
  bool memory = false;               // ModRM names memory
  bool pc_relative = false;
  // Register numbers 0 .. 15, extended; -1: none.
  int8_t base = -1, index = -1;
  uint8_t scale = 0;  // as a shift
  uint8_t displacement_at = 0, displacement_size = 0;
  int64_t displacement = 0;
  uint8_t immediate_at = 0, immediate_size = 0;
  // Of a branch relative to the pc: its immediate. (Not sign-extended otherwise.)
  int64_t immediate = 0;

  bool Is(uint8_t in_map, uint8_t code) const {
    return encoding == Encoding::kLegacy && map == in_map && opcode == code;
  }
};

// nullopt: no instruction that this knows, or `code` ends within it.
std::optional<Instruction> Decode(ByteSpan code);

}  // namespace retake::x86_64

#endif  // RETAKE_ARCH_X86_64_INSTRUCTION_H_
