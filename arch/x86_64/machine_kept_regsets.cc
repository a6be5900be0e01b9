#include "arch/kept_regsets.h"

namespace retake::machine {

std::span<const KeptRegset> KeptRegsets() { return {}; }

}  // namespace retake::machine
