#include "snapshot/loss.h"

#include <fmt/format.h>

namespace retake {

std::string Describe(const Loss& loss) {
  std::string where = fmt::format("pid {}", loss.pid);
  if (loss.fd >= 0) where += fmt::format(", fd {}", loss.fd);
  return fmt::format("{} ({}): {}{}", where, loss.kind, loss.what,
                     loss.nature == LossNature::kPassing ? " (for the moment)" : "");
}

}  // namespace retake
