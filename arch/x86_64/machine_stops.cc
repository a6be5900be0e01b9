// What a stop does to the call that a task is in, on x86_64: nothing yet. orig_rax has its number
// and rax how it came to an end; the kernel rewinds a call that is to be made again when the task
// goes on (arch/x86/kernel/signal.c, arch_do_signal_or_restart).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "arch/arch.h"
#include "arch/x86_64/instruction.h"
#include "arch/x86_64/layout.h"

namespace retake::machine {
namespace {

using namespace x86_64;

constexpr int64_t kRestartBlock = -516;  // ERESTART_RESTARTBLOCK, include/linux/errno.h

// An instruction that writes no part of rax, and that is followed by the next one or by none: a
// selection of those that compilers put between the load of a number and the call.
bool KeepsRax(const Instruction& insn) {
  if (insn.encoding != Encoding::kLegacy) return false;
  uint8_t reg = insn.reg | ((insn.rex & 4) != 0 ? 8 : 0);
  uint8_t rm = insn.rm | ((insn.rex & 1) != 0 ? 8 : 0);
  bool keeps_rm = insn.memory || rm != 0;
  uint8_t low = insn.opcode & 7;
  if (insn.map == kMapOne) {
    switch (insn.opcode) {
      case 0x89:  // mov r/m, r
      case 0x01:  // add, and, sub, xor
      case 0x21:
      case 0x29:
      case 0x31:
      case 0x81:  // add and its kin, by an immediate
      case 0x83:
      case 0xc7:  // mov r/m, imm
        return keeps_rm;
      case 0x8b:  // mov r, r/m
      case 0x8d:  // lea
      case 0x63:  // movsxd
      case 0x03:  // add, and, sub, xor
      case 0x23:
      case 0x2b:
      case 0x33:
        return reg != 0;
      case 0x39:  // cmp
      case 0x3b:
      case 0x85:  // test
      case 0x90:  // nop
        return true;
      default:
        break;
    }
    if (insn.opcode >= 0x50 && insn.opcode <= 0x57) return true;  // push
    if (insn.opcode >= 0x70 && insn.opcode <= 0x7f) return true;  // a conditional jump
    if (insn.opcode >= 0xb8 && insn.opcode <= 0xbf) return low != 0 || (insn.rex & 1) != 0;
    return false;
  }
  if (insn.map != kMap0f) return false;
  if (insn.opcode >= 0x40 && insn.opcode <= 0x4f) return reg != 0;  // cmov
  if (insn.opcode >= 0x80 && insn.opcode <= 0x8f) return true;      // a conditional jump
  switch (insn.opcode) {
    case 0xb6:  // movzx, movsx
    case 0xb7:
    case 0xbe:
    case 0xbf:
      return reg != 0;
    case 0x10:  // movups and its kin
    case 0x11:
    case 0x1f:  // nop
    case 0x28:
    case 0x29:
    case 0x6f:
    case 0x7f:
      return true;
    default:
      return false;
  }
}

// mov eax, imm32, or mov rax, imm32: what it loads, and its length.
struct Load {
  int32_t number = 0;
  size_t length = 0;
};
std::optional<Load> LoadAt(ByteSpan code) {
  Load load;
  if (code.size() >= 5 && code[0] == 0xb8) {
    load.length = 5;
  } else if (code.size() >= 7 && code[0] == 0x48 && code[1] == 0xc7 && code[2] == 0xc0) {
    load.length = 7;
  } else {
    return std::nullopt;
  }
  memcpy(&load.number, code.data() + load.length - sizeof load.number, sizeof load.number);
  return load;
}

// Whether all of it is instructions that leave rax as it is.
bool KeepsRax(ByteSpan code) {
  while (!code.empty()) {
    auto insn = Decode(code);
    if (!insn || insn->length == 0 || insn->length > code.size() || !KeepsRax(*insn)) return false;
    code = code.subspan(insn->length);
  }
  return true;
}

}  // namespace

bool StopsHideCalls() { return false; }

StoppedCall CallAtStop(const Registers& stopped, const SleepingCall*, ByteSpan) {
  StoppedCall call{.number = static_cast<int64_t>(SyscallNumber(stopped))};
  if (call.number < 0) return {};
  int64_t result = ResultOf(stopped);
  if (result == kRestartBlock) {
    call.outcome = StopOutcome::kRestartsLimit;
  } else if (IsRestart(result)) {
    call.outcome = StopOutcome::kRestarts;
  } else if (result == -EINTR) {
    call.outcome = StopOutcome::kEnded;
  } else {
    return {};
  }
  return call;
}

Registers Resumable(const Registers& stopped, const StoppedCall& call, bool same_kernel_task) {
  Registers out = stopped;
  if (call.outcome == StopOutcome::kRestarts || call.outcome == StopOutcome::kRestartsLimit) {
    RewindToCall(out);
    bool goes_on = call.outcome == StopOutcome::kRestartsLimit && same_kernel_task;
    out.words[kRax] =
        goes_on ? static_cast<uint64_t>(X86_64Description().NumberOf(Sys::restart_syscall))
                : static_cast<uint64_t>(call.number);
  }
  ForgetSyscall(out);
  return out;
}

void RewindEndedCall(Registers& stopped, const StoppedCall&, const SleepingCall*) {
  RewindToCall(stopped);
}

std::optional<int64_t> LoadedCall(ByteSpan code) {
  // The nearest load counts.
  for (size_t at = code.size(); at-- > 0;) {
    auto load = LoadAt(code.subspan(at));
    if (load && KeepsRax(code.subspan(at + load->length))) return load->number;
  }
  return std::nullopt;
}

}  // namespace retake::machine
