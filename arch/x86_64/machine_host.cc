// Which architecture this is built for.
#include "arch/arch.h"

namespace retake {

const ArchDescription& HostArch() { return X86_64Description(); }

}  // namespace retake
