// The joined sets, and how their values are shown: as strace shows them.
#include "syscalls/flag_sets.h"

#include <fmt/format.h>

#include <iterator>

#include "syscalls/flags_file.h"
#include "syscalls/flags_network.h"
#include "syscalls/flags_process.h"

namespace retake {
namespace {

using Sets = std::array<FlagSet, static_cast<size_t>(Set::kCount)>;

template <size_t N>
consteval void Put(const FlagSet (&rows)[N], Sets& sets) {
  for (const FlagSet& row : rows) {
    FlagSet& place = sets[static_cast<size_t>(row.set)];
    if (place.set != Set::kNone) throw "a set has two tables";
    place = row;
  }
}

consteval Sets Join() {
  Sets sets{};
  Put(kFileSets, sets);
  Put(kProcessSets, sets);
  Put(kNetworkSets, sets);
  for (size_t i = 1; i < sets.size(); ++i) {
    if (sets[i].set != static_cast<Set>(i)) throw "a set has no table";
  }
  return sets;
}

constexpr Sets kSets = Join();

}  // namespace

const FlagSet& FlagSetOf(Set set) { return kSets[static_cast<size_t>(set)]; }

void AppendFlags(std::string& out, Set set, uint64_t value, const ArchDescription& arch) {
  const FlagSet& flags = FlagSetOf(set);
  uint64_t rest = value;
  uint64_t seen = 0;  // fields that have a name already
  bool named = false;
  for (const NamedValue& row : flags.values) {
    uint64_t bits = row.value;
    if (row.per_arch != nullptr) {
      if (arch.flags.*row.per_arch == 0) continue;  // not there on this architecture
      bits |= arch.flags.*row.per_arch;
    }
    uint64_t mask = row.mask != 0 ? row.mask : bits;
    // A flag counts if any of its bits is still without a name.
    bool is_field = row.mask != 0;
    if ((value & mask) != bits || (is_field ? (seen & mask) != 0 : (rest & bits) == 0)) continue;
    // A flag that repeats bits of a wider one already named adds nothing.
    if (!is_field && (rest & bits) != bits) continue;
    if (named) out += '|';
    out += row.name;
    named = true;
    rest &= ~mask;
    if (is_field) seen |= mask;
  }
  if (rest != 0) {
    if (named) out += '|';
    out += flags.octal_rest ? fmt::format("{:#o}", rest) : fmt::format("{:#x}", rest);
    if (!named && !flags.unknown.empty()) {
      fmt::format_to(std::back_inserter(out), " /* {} */", flags.unknown);
    }
  } else if (!named) {
    out += flags.octal_rest ? "000" : "0";
  }
}

std::string_view NameIn(Set set, uint64_t value) {
  for (const NamedValue& row : FlagSetOf(set).values) {
    if (row.value == value) return row.name;
  }
  return {};
}

void AppendEnum(std::string& out, Set set, uint64_t value) {
  std::string_view name = NameIn(set, value);
  if (!name.empty()) {
    out += name;
    return;
  }
  fmt::format_to(std::back_inserter(out), "{:#x}", value);
  std::string_view unknown = FlagSetOf(set).unknown;
  if (!unknown.empty()) fmt::format_to(std::back_inserter(out), " /* {} */", unknown);
}

}  // namespace retake
