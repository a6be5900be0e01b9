#include "replay/divergence.h"

#include <fmt/format.h>

namespace retake {

std::string DescribeEvent(const Event& event, const ArchDescription& arch) {
  std::string text = fmt::format("{} of task {}", EventKindName(event.kind), event.task);
  switch (event.kind) {
    case EventKind::kSyscall:
    case EventKind::kEntered:
    case EventKind::kCompleted:
    case EventKind::kTaskNew: {
      auto number = static_cast<int64_t>(event.before.words[arch.syscall]);
      text += fmt::format(": {} (number {})", SysName(arch.SysOf(number)), number);
      break;
    }
    case EventKind::kSignal:
    case EventKind::kFault:
      text += fmt::format(": signal {}", event.signal);
      break;
    default:
      break;
  }
  if (event.kind != EventKind::kTaskGone && event.kind != EventKind::kExec) {
    text += fmt::format(" at {:#x}", event.before.words[arch.pc]);
  }
  return text;
}

std::string DescribeDifferences(const Registers& expected, const Registers& found,
                                const ArchDescription& arch) {
  std::string text;
  for (size_t i = 0; i < arch.registers.size(); ++i) {
    if (expected.words[i] == found.words[i]) continue;
    if (text.empty()) text = "registers that differ:\n";
    text += fmt::format("  {:<8} expected {:#x}, found {:#x}\n", arch.registers[i].name,
                        expected.words[i], found.words[i]);
  }
  return text;
}

std::string DivergenceReport(const Event& event, const ArchDescription& arch,
                             const Divergence& divergence, const std::string& stack) {
  std::string text = fmt::format("event {}: {}\nexpected: {}\nfound:    {}\n", event.sequence,
                                 DescribeEvent(event, arch), divergence.expected, divergence.found);
  text += divergence.details;
  if (!stack.empty()) text += "stack of the task:\n" + stack;
  text += fmt::format("divergence at event {}: expected {}, found {}", event.sequence,
                      divergence.expected, divergence.found);
  return text;
}

}  // namespace retake
