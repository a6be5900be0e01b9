// The stub page's code as arch/<isa>/stub.S was assembled into this binary.
#include "arch/arch.h"

extern "C" {
extern const uint8_t retake_stub_begin[];
extern const uint8_t retake_stub_end[];
extern const uint8_t retake_stub_batch[];
extern const uint8_t retake_stub_batch_break[];
extern const uint8_t retake_stub_syscall[];
extern const uint8_t retake_stub_syscall_break[];
}

namespace retake::machine {
namespace {

uint64_t OffsetOf(const uint8_t* label) { return static_cast<uint64_t>(label - retake_stub_begin); }

}  // namespace

StubImage Stub() {
  return {
      .code = {retake_stub_begin, static_cast<size_t>(OffsetOf(retake_stub_end))},
      .batch_entry = OffsetOf(retake_stub_batch),
      .batch_break = OffsetOf(retake_stub_batch_break),
      .syscall_entry = OffsetOf(retake_stub_syscall),
      .syscall_break = OffsetOf(retake_stub_syscall_break),
  };
}

}  // namespace retake::machine
