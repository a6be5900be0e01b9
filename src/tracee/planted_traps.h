// TrapPlanter: makes instructions trap in a program's code that neither kernel nor CPU makes trap
// there (machine::FindTrapSites): reads of the time-stamp counter, cpuid.
//
// In what a program maps of a file, privately: there, sections tell code from data, and a page of
// its own takes the change. In code that a program makes while it runs: what follows from where
// execution enters it, which is code beyond doubt.
#ifndef RETAKE_TRACEE_PLANTED_TRAPS_H_
#define RETAKE_TRACEE_PLANTED_TRAPS_H_

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "arch/code.h"
#include "base/result.h"
#include "tracee/code_notes.h"
#include "tracee/memory.h"
#include "tracee/own_pages.h"

namespace retake {

// A part of a file that a process has mapped as code.
struct MappedCode {
  uint64_t address = 0;
  uint64_t size = 0;    // bytes
  uint64_t offset = 0;  // into the file
};

// Which instructions are to trap.
struct TrapKinds {
  bool timestamp = false;
  bool cpuid = false;
  bool any() const { return timestamp || cpuid; }
  bool has(TrapKind kind) const { return kind == TrapKind::kCpuid ? cpuid : timestamp; }
};

struct PlantedTrap {
  uint64_t address = 0;
  machine::TrapSite site;
};

class TrapPlanter {
 public:
  // What is known of files from other times; may be null.
  void set_notes(CodeNotes* notes) { notes_ = notes; }

  // `fd` is the mapped file, `status` what fstat says of it. Where memory doesn't hold what the
  // file does (a trap is planted already), it is left alone. Errors: memory that can't be written.
  Result<std::vector<PlantedTrap>> Plant(const TaskMemory& memory, const MappedCode& code, int fd,
                                         const struct stat& status, TrapKinds kinds);

  // In memory that isn't a file's: what execution that begins at `entry` may come to within
  // `range`, which holds `entry`. Errors as above.
  static Result<std::vector<PlantedTrap>> PlantFrom(const TaskMemory& memory, const PageRun& range,
                                                    uint64_t entry, TrapKinds kinds);

 private:
  // A file's identity and what changes with its contents.
  using Stamp = std::array<uint64_t, 7>;

  const std::vector<machine::TrapSite>& SitesOf(int fd, const struct stat& status);

  CodeNotes* notes_ = nullptr;
  // Each file is looked through once; `offset` of these is into the file.
  std::map<Stamp, std::vector<machine::TrapSite>> files_;
  // What is looked at, kept: new pages cost as much as the looking.
  std::unique_ptr<uint8_t[]> room_;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_PLANTED_TRAPS_H_
