#include "base/result.h"

#include <cstring>

namespace retake {

std::string Error::Message() const {
  std::string text = what_;
  if (pid_ != 0) text += fmt::format(" (pid {})", pid_);
  if (code_ != 0) text += fmt::format(": {}", strerror(code_));
  return text;
}

}  // namespace retake
