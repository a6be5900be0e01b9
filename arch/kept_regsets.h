// Regsets beside a task's registers that a checkpoint keeps, byte for byte: what a thread has that
// no call tells.
#ifndef RETAKE_ARCH_KEPT_REGSETS_H_
#define RETAKE_ARCH_KEPT_REGSETS_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace retake {

struct KeptRegset {
  const char* name;  // as an error calls it
  uint32_t type;     // NT_* of <linux/elf.h>
  size_t most;       // bytes it may have
};

namespace machine {

// Which there may be on any machine; a kernel or CPU may lack them.
std::span<const KeptRegset> KeptRegsets();

}  // namespace machine
}  // namespace retake

#endif  // RETAKE_ARCH_KEPT_REGSETS_H_
