// Return addresses and pointers in a program's memory are signed with its keys: with others it ends
// at the next one that it uses.
#include "arch/kept_regsets.h"

namespace retake::machine {
namespace {

// NT_ARM_PACA_KEYS and NT_ARM_PACG_KEYS of <linux/elf.h>, where the kernel has
// CONFIG_CHECKPOINT_RESTORE: struct user_pac_address_keys, four keys of 16 bytes, and struct
// user_pac_generic_keys, one.
constexpr KeptRegset kRegsets[] = {
    {"the keys that its addresses are signed with", 0x407, 64},
    {"the key that its data is signed with", 0x408, 16},
};

}  // namespace

std::span<const KeptRegset> KeptRegsets() { return kRegsets; }

}  // namespace retake::machine
