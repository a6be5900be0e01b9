#include "snapshot/asker.h"

#include <vector>

namespace retake {
namespace {

// Bytes that the library has room for: a path, PATH_MAX of <linux/limits.h>.
constexpr size_t kImageBytes = 4096;

}  // namespace

Status AnswerAsker(const TaskMemory& memory, uint64_t address, int32_t state) {
  return memory.WriteAsTask(address, {reinterpret_cast<const uint8_t*>(&state), sizeof state});
}

Status TellRestored(const TaskMemory& memory, uint64_t address, const std::string& image) {
  std::vector<uint8_t> text(image.begin(), image.end());
  if (text.size() >= kImageBytes) text.clear();
  text.push_back(0);
  TRY(memory.WriteAsTask(address + sizeof(int32_t), text));
  return AnswerAsker(memory, address, kAskerRestored);
}

}  // namespace retake
