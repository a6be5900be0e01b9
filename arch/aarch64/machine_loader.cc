// The dynamic loader of aarch64 saves the argument registers one by one (glibc,
// sysdeps/aarch64/dl-trampoline.S): what that leaves in memory is a function of the registers.
#include "arch/arch.h"

namespace retake::machine {

std::vector<Patch> LoaderPatches(ByteSpan) { return {}; }

}  // namespace retake::machine
