// The mappings of a process as /proc/PID/maps shows them.
#ifndef RETAKE_TRACEE_MAPS_H_
#define RETAKE_TRACEE_MAPS_H_

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace retake {

struct Mapping {
  uint64_t start = 0;
  uint64_t end = 0;
  uint32_t prot = 0;  // PROT_*
  bool shared = false;
  uint64_t offset = 0;  // into the file
  uint64_t device = 0;  // as makedev() gives it; 0 for memory without a file
  uint64_t inode = 0;
  std::string name;  // path, "[stack]", or empty

  uint64_t size() const { return end - start; }
  bool is_file() const { return inode != 0; }
  // The vDSO's data pages: two mappings on newer kernels, can't be read, moved only whole.
  bool is_vvar() const { return name.starts_with("[vv"); }
  bool is_vdso() const { return name == "[vdso]"; }
  bool is_stack() const { return name == "[stack]"; }
  // The page of legacy time calls at a kernel address (x86_64).
  bool is_vsyscall() const { return name == "[vsyscall]"; }
};

Result<std::vector<Mapping>> ReadMappings(pid_t pid);
// The vDSO's code; null where the process has none.
const Mapping* FindVdso(std::span<const Mapping> mappings);
// Parses the text of a maps file. Lines that don't parse are an error: guessing would be worse.
Result<std::vector<Mapping>> ParseMappings(std::string_view text);

}  // namespace retake

#endif  // RETAKE_TRACEE_MAPS_H_
