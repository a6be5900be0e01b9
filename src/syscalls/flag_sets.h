// Names of values: flags that are or-ed together, and enumerations.
//
// All of Linux's 64-bit architectures share these values but for a few O_* flags and MAP_32BIT,
// which are looked up in the description of the call's architecture (FlagValues), so that either's
// traces can be listed on the other.
#ifndef RETAKE_SYSCALLS_FLAG_SETS_H_
#define RETAKE_SYSCALLS_FLAG_SETS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "syscalls/row.h"

namespace retake {

struct NamedValue {
  uint64_t value;
  std::string_view name;
  // Bits that `value` is compared in; 0 for `value` itself. A field of several bits has a row per
  // value, each with the field's mask.
  uint64_t mask = 0;
  // Where the value differs per architecture: bits to or into `value`.
  uint32_t FlagValues::*per_arch = nullptr;
};

struct FlagSet {
  Set set;
  std::span<const NamedValue> values;
  std::string_view unknown;  // shown beside a value without any name, as "PROT_???"
  bool octal_rest = false;   // bits without a name are permissions
};

// The set's table; empty for Set::kNone.
const FlagSet& FlagSetOf(Set set);

// "O_RDONLY|O_CLOEXEC"; bits without a name as hex; "0" for none.
void AppendFlags(std::string& out, Set set, uint64_t value, const ArchDescription& arch);
// "SEEK_SET"; a value without a name as hex, with the set's "???" beside it.
void AppendEnum(std::string& out, Set set, uint64_t value);
// Empty if the value has no name.
std::string_view NameIn(Set set, uint64_t value);

}  // namespace retake

#endif  // RETAKE_SYSCALLS_FLAG_SETS_H_
