// Divergence: the replayed program did something else than its trace says. Always reported, never
// papered over.
#ifndef RETAKE_REPLAY_DIVERGENCE_H_
#define RETAKE_REPLAY_DIVERGENCE_H_

#include <string>

#include "arch/arch.h"
#include "replay/event.h"

namespace retake {

struct Divergence {
  std::string expected;  // "openat(...) at 0x...", "the end of the process"
  std::string found;
  std::string details;  // whole lines; may be empty
};

// What an event is, in a line: its kind, its call by name, where.
std::string DescribeEvent(const Event& event, const ArchDescription& arch);

// The registers that differ, a line each under a heading: "  rdi  expected 0x1, found 0x2". Both as
// machine::Comparable gives them. Empty if none does.
std::string DescribeDifferences(const Registers& expected, const Registers& found,
                                const ArchDescription& arch);

// The whole report: event, expected, found, registers, stack. The last line is the reason.
std::string DivergenceReport(const Event& event, const ArchDescription& arch,
                             const Divergence& divergence, const std::string& stack);

}  // namespace retake

#endif  // RETAKE_REPLAY_DIVERGENCE_H_
