#include "tracee/maps.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>

#include "tracee/proc_files.h"

namespace retake {
namespace {

// Takes a hexadecimal or decimal number off the front of `text`, and then `after`.
bool TakeNumber(std::string_view& text, int base, char after, uint64_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  if (after == 0) return true;
  if (text.empty() || text[0] != after) return false;
  text.remove_prefix(1);
  return true;
}

bool ParseLine(std::string_view line, Mapping* out) {
  uint64_t major = 0;
  uint64_t minor = 0;
  if (!TakeNumber(line, 16, '-', &out->start) || !TakeNumber(line, 16, ' ', &out->end))
    return false;
  if (line.size() < 5) return false;
  out->prot = (line[0] == 'r' ? PROT_READ : 0U) | (line[1] == 'w' ? PROT_WRITE : 0U) |
              (line[2] == 'x' ? PROT_EXEC : 0U);
  out->shared = line[3] == 's';
  line.remove_prefix(5);
  if (!TakeNumber(line, 16, ' ', &out->offset) || !TakeNumber(line, 16, ':', &major) ||
      !TakeNumber(line, 16, ' ', &minor) || !TakeNumber(line, 10, 0, &out->inode)) {
    return false;
  }
  out->device = makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
  size_t name = line.find_first_not_of(' ');
  if (name != std::string_view::npos) out->name = line.substr(name);
  return out->start < out->end;
}

}  // namespace

Result<std::vector<Mapping>> ParseMappings(std::string_view text) {
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    Mapping mapping;
    if (!ParseLine(line, &mapping))
      return MakeError("can't read this line of a maps file: {}", line);
    mappings.push_back(std::move(mapping));
  }
  return mappings;
}

Result<std::vector<Mapping>> ReadMappings(pid_t pid) {
  return ParseMappings(TRY(ReadWhole(fmt::format("/proc/{}/maps", pid))));
}

const Mapping* FindVdso(std::span<const Mapping> mappings) {
  auto found = std::ranges::find_if(mappings, &Mapping::is_vdso);
  return found == mappings.end() ? nullptr : &*found;
}

}  // namespace retake
