// Which architecture this is built for.
#include "arch/arch.h"

namespace retake {

const ArchDescription& HostArch() { return Aarch64Description(); }

}  // namespace retake
