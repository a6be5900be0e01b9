#include "supervisor/program_filter.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace retake {
namespace {

constexpr int kMostErrno = 4095;
constexpr uint32_t kWordBits = 32;

// The instructions that seccomp knows (seccomp_check_filter in kernel/seccomp.c).
bool IsKnown(uint16_t code) {
  constexpr uint16_t kKnown[] = {
      BPF_LD | BPF_W | BPF_ABS,
      BPF_LD | BPF_W | BPF_LEN,
      BPF_LDX | BPF_W | BPF_LEN,
      BPF_LD | BPF_IMM,
      BPF_LDX | BPF_IMM,
      BPF_LD | BPF_MEM,
      BPF_LDX | BPF_MEM,
      BPF_ST,
      BPF_STX,
      BPF_MISC | BPF_TAX,
      BPF_MISC | BPF_TXA,
      BPF_RET | BPF_K,
      BPF_RET | BPF_A,
      BPF_ALU | BPF_ADD | BPF_K,  // NOLINT(misc-redundant-expression): both are 0
      BPF_ALU | BPF_ADD | BPF_X,
      BPF_ALU | BPF_SUB | BPF_K,
      BPF_ALU | BPF_SUB | BPF_X,
      BPF_ALU | BPF_MUL | BPF_K,
      BPF_ALU | BPF_MUL | BPF_X,
      BPF_ALU | BPF_DIV | BPF_K,
      BPF_ALU | BPF_DIV | BPF_X,
      BPF_ALU | BPF_AND | BPF_K,
      BPF_ALU | BPF_AND | BPF_X,
      BPF_ALU | BPF_OR | BPF_K,
      BPF_ALU | BPF_OR | BPF_X,
      BPF_ALU | BPF_XOR | BPF_K,
      BPF_ALU | BPF_XOR | BPF_X,
      BPF_ALU | BPF_LSH | BPF_K,
      BPF_ALU | BPF_LSH | BPF_X,
      BPF_ALU | BPF_RSH | BPF_K,
      BPF_ALU | BPF_RSH | BPF_X,
      BPF_ALU | BPF_NEG,
      BPF_JMP | BPF_JA,
      BPF_JMP | BPF_JEQ | BPF_K,
      BPF_JMP | BPF_JEQ | BPF_X,
      BPF_JMP | BPF_JGE | BPF_K,
      BPF_JMP | BPF_JGE | BPF_X,
      BPF_JMP | BPF_JGT | BPF_K,
      BPF_JMP | BPF_JGT | BPF_X,
      BPF_JMP | BPF_JSET | BPF_K,
      BPF_JMP | BPF_JSET | BPF_X,
  };
  return std::ranges::count(kKnown, code) > 0;
}

bool IsLoadOfMemory(uint16_t code) {
  return code == (BPF_LD | BPF_MEM) || code == (BPF_LDX | BPF_MEM);
}

bool IsStore(uint16_t code) { return code == BPF_ST || code == BPF_STX; }

// What can be said of an instruction by itself.
bool IsSound(const sock_filter& insn, size_t at, size_t size) {
  if (!IsKnown(insn.code)) return false;
  size_t left = size - at - 1;  // instructions behind it
  switch (insn.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      return insn.k % sizeof(uint32_t) == 0 && insn.k < sizeof(seccomp_data);
    case BPF_ALU | BPF_DIV | BPF_K:
      return insn.k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
      return insn.k < kWordBits;
    case BPF_JMP | BPF_JA:
      return insn.k < left;
    default:
      break;
  }
  if (IsLoadOfMemory(insn.code) || IsStore(insn.code)) return insn.k < BPF_MEMWORDS;
  if (BPF_CLASS(insn.code) == BPF_JMP) return insn.jt < left && insn.jf < left;
  return true;
}

// Whether each word is stored before it is loaded, on every path (check_load_and_stores in
// net/core/filter.c). Jumps go forward only.
bool StoresBeforeLoads(const std::vector<sock_filter>& code) {
  std::vector<uint16_t> stored_at(code.size(), 0xffff);  // by every path that leads there
  uint16_t stored = 0;
  auto meet = [&](size_t target) { stored_at[target] &= stored; };
  for (size_t at = 0; at < code.size(); ++at) {
    const sock_filter& insn = code[at];
    stored &= stored_at[at];
    if (IsStore(insn.code)) {
      stored = static_cast<uint16_t>(stored | 1U << insn.k);
    } else if (IsLoadOfMemory(insn.code)) {
      if ((stored >> insn.k & 1) == 0) return false;
    } else if (insn.code == (BPF_JMP | BPF_JA)) {
      meet(at + 1 + insn.k);
      stored = 0xffff;
    } else if (BPF_CLASS(insn.code) == BPF_JMP) {
      meet(at + 1 + insn.jt);
      meet(at + 1 + insn.jf);
      stored = 0xffff;
    }
  }
  return true;
}

uint32_t Compute(uint16_t code, uint32_t a, uint32_t operand, bool& stops) {
  switch (BPF_OP(code)) {
    case BPF_ADD:
      return a + operand;
    case BPF_SUB:
      return a - operand;
    case BPF_MUL:
      return a * operand;
    case BPF_DIV:
      stops = operand == 0;  // then the program returns 0
      return stops ? 0 : a / operand;
    case BPF_AND:
      return a & operand;
    case BPF_OR:
      return a | operand;
    case BPF_XOR:
      return a ^ operand;
    case BPF_LSH:
      return a << (operand % kWordBits);
    case BPF_RSH:
      return a >> (operand % kWordBits);
    case BPF_NEG:
      return 0 - a;
    default:
      return a;
  }
}

bool Holds(uint16_t code, uint32_t a, uint32_t operand) {
  switch (BPF_OP(code)) {
    case BPF_JEQ:
      return a == operand;
    case BPF_JGE:
      return a >= operand;
    case BPF_JGT:
      return a > operand;
    case BPF_JSET:
      return (a & operand) != 0;
    default:
      return false;
  }
}

FilterVerdict VerdictOf(uint32_t value) {
  int data = static_cast<int>(value & SECCOMP_RET_DATA);
  switch (value & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_ALLOW:
    case SECCOMP_RET_LOG:
      return {};
    case SECCOMP_RET_ERRNO:
      return {FilterVerdict::Kind::kError, std::min(data, kMostErrno)};
    case SECCOMP_RET_TRAP:
      return {FilterVerdict::Kind::kTrap, data};
    case SECCOMP_RET_TRACE:       // with no tracer, as far as the program knows,
    case SECCOMP_RET_USER_NOTIF:  // and no listener
      return {FilterVerdict::Kind::kError, ENOSYS};
    case SECCOMP_RET_KILL_THREAD:
      return {FilterVerdict::Kind::kEndsThread, SIGSYS};
    default:
      return {FilterVerdict::Kind::kEndsProcess, SIGSYS};
  }
}

// Actions are ordered as signed numbers: killing the process is the least.
int32_t RankOf(uint32_t value) { return static_cast<int32_t>(value & SECCOMP_RET_ACTION_FULL); }

}  // namespace

std::optional<ProgramFilter> ProgramFilter::Check(std::vector<sock_filter> code) {
  if (code.empty() || code.size() > BPF_MAXINSNS) return std::nullopt;
  for (size_t at = 0; at < code.size(); ++at) {
    if (!IsSound(code[at], at, code.size())) return std::nullopt;
  }
  if (BPF_CLASS(code.back().code) != BPF_RET || !StoresBeforeLoads(code)) return std::nullopt;
  return ProgramFilter(std::move(code));
}

uint32_t ProgramFilter::Run(const seccomp_data& data) const {
  uint32_t a = 0;
  uint32_t x = 0;
  std::array<uint32_t, BPF_MEMWORDS> memory{};
  for (size_t at = 0; at < code_.size(); ++at) {
    const sock_filter& insn = code_[at];
    uint32_t operand = BPF_SRC(insn.code) == BPF_X ? x : insn.k;
    switch (insn.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&a, reinterpret_cast<const uint8_t*>(&data) + insn.k, sizeof a);
        continue;
      case BPF_LD | BPF_W | BPF_LEN:
        a = sizeof data;
        continue;
      case BPF_LDX | BPF_W | BPF_LEN:
        x = sizeof data;
        continue;
      case BPF_LD | BPF_IMM:
        a = insn.k;
        continue;
      case BPF_LDX | BPF_IMM:
        x = insn.k;
        continue;
      case BPF_LD | BPF_MEM:
        a = memory[insn.k];
        continue;
      case BPF_LDX | BPF_MEM:
        x = memory[insn.k];
        continue;
      case BPF_ST:
        memory[insn.k] = a;
        continue;
      case BPF_STX:
        memory[insn.k] = x;
        continue;
      case BPF_MISC | BPF_TAX:
        x = a;
        continue;
      case BPF_MISC | BPF_TXA:
        a = x;
        continue;
      case BPF_RET | BPF_K:
        return insn.k;
      case BPF_RET | BPF_A:
        return a;
      case BPF_JMP | BPF_JA:
        at += insn.k;
        continue;
      default:
        break;
    }
    if (BPF_CLASS(insn.code) == BPF_JMP) {
      at += Holds(insn.code, a, operand) ? insn.jt : insn.jf;
      continue;
    }
    bool stops = false;
    a = Compute(insn.code, a, operand, stops);
    if (stops) return 0;
  }
  return SECCOMP_RET_KILL_PROCESS;  // not reached: a checked program ends with a return
}

bool Confinement::IsOrDescendsFrom(const Confinement* other) const {
  for (const Confinement* at = this; at != nullptr; at = at->older.get()) {
    if (at == other) return true;
  }
  return other == nullptr;
}

FilterVerdict JudgeCall(const Confinement& confinement, const seccomp_data& call,
                        bool is_harmless) {
  if (confinement.strict)
    return is_harmless ? FilterVerdict() : FilterVerdict{FilterVerdict::Kind::kEndsThread, SIGKILL};
  uint32_t verdict = SECCOMP_RET_ALLOW;
  for (const Confinement* at = &confinement; at != nullptr; at = at->older.get()) {
    uint32_t value = at->filter->Run(call);
    if (RankOf(value) < RankOf(verdict)) verdict = value;
  }
  return VerdictOf(verdict);
}

}  // namespace retake
