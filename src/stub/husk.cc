// Carries the husk (arch/<isa>/husk.S, linked by cmake/Modules.cmake) as bytes. RETAKE_HUSK_FILE
// is the linked program.
#include "stub/husk.h"

asm(R"(
    .pushsection .rodata.retake_husk, "a"
    .balign 16
    .globl retake_husk_begin, retake_husk_end
    .hidden retake_husk_begin, retake_husk_end
retake_husk_begin:
    .incbin ")" RETAKE_HUSK_FILE R"("
retake_husk_end:
    .popsection
)");

extern "C" {
extern const uint8_t retake_husk_begin[];
extern const uint8_t retake_husk_end[];
}

namespace retake {

ByteSpan HuskElf() {
  return {retake_husk_begin, static_cast<size_t>(retake_husk_end - retake_husk_begin)};
}

}  // namespace retake
