// The code to inject as arch/<isa>/inject.S was assembled into this binary.
#include "arch/arch.h"

extern "C" {
extern const uint8_t retake_inject_begin[];
extern const uint8_t retake_inject_end[];
extern const uint8_t retake_inject_call[];
extern const uint8_t retake_inject_clone[];
extern const uint8_t retake_inject_table[];
}

namespace retake::machine {
namespace {

uint64_t OffsetOf(const uint8_t* label) {
  return static_cast<uint64_t>(label - retake_inject_begin);
}

}  // namespace

InjectImage Inject() {
  return {
      .code = {retake_inject_begin, static_cast<size_t>(OffsetOf(retake_inject_end))},
      .call = OffsetOf(retake_inject_call),
      .clone = OffsetOf(retake_inject_clone),
      .table = OffsetOf(retake_inject_table),
  };
}

}  // namespace retake::machine
