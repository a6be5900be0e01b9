#include "replay/trace_files.h"

namespace retake {

Result<std::unique_ptr<TraceFiles>> OpenPackedTrace(Fd file, const std::string& path) {
  (void)file;
  return MakeError("{} is not a trace", path);
}

}  // namespace retake
