// Finds the functions of a vDSO image that retake replaces.
//
// The image is read from a traced process, so nothing in it is believed: every offset and count is
// bounded by the bytes there are. How the kernel lays the vDSO out, which hash table it carries and
// how many symbols it exports differ between kernels and are discovered here (DESIGN trap 19).
#ifndef RETAKE_ARCH_VDSO_ELF_H_
#define RETAKE_ARCH_VDSO_ELF_H_

#include <map>
#include <string_view>
#include <vector>

#include "arch/arch.h"

namespace retake {

// A function symbol: where its bytes are in the image.
struct VdsoFunction {
  std::string_view name;  // into the image
  uint64_t offset;        // from the image's first byte
  uint64_t size;          // bytes; all of them lie in the image
  Sys sys;                // of the description's vdso_symbols; kNone for any other symbol

  bool Contains(uint64_t at) const { return at >= offset && at - offset < size; }
};

// Every function the image exports, in the order of its symbol table, aliases included. Fails if it
// is no vDSO of this architecture, or damaged.
Result<std::vector<VdsoFunction>> VdsoFunctions(ByteSpan elf, const ArchDescription& arch);

// Fails, naming both, if [offset, offset + size) leaves `function` or touches a function that
// begins behind it: patched bytes stay inside the symbol.
Status CheckPatchFits(const std::vector<VdsoFunction>& all, const VdsoFunction& function,
                      uint64_t offset, uint64_t size);

// The addresses of functions, by name, that another vDSO's can go on in.
using VdsoTargets = std::map<std::string_view, uint64_t>;

// Those of the image `elf`, mapped at `address`, whose state is no more than their arguments. The
// names are in the image.
Result<VdsoTargets> TargetsIn(ByteSpan elf, uint64_t address, const ArchDescription& arch);

}  // namespace retake

#endif  // RETAKE_ARCH_VDSO_ELF_H_
