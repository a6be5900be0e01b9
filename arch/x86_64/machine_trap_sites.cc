// Where x86_64 code reads the time-stamp counter or asks cpuid, and how to make it trap there.
//
// Both instructions begin with 0f. 0e was `push cs` once and is no instruction in 64-bit mode: put
// in that byte's place it raises an invalid-opcode fault, what follows still tells what stood
// there, and a single byte can be changed under threads that execute the code.
//
// The bytes of these instructions occur in others too, in constants and displacements, once in some
// 60,000 bytes of code. Which they are is a question of where instructions begin. Unwind tables say
// where a function begins; where they don't, disassembly that begins anywhere falls into step with
// the true one after a few instructions, so that many beginnings together are as good.
#include <emmintrin.h>

#include <algorithm>

#include "arch/code.h"
#include "arch/x86_64/instruction.h"
#include "arch/x86_64/trap_opcode.h"

namespace retake::machine {
namespace {

using namespace x86_64;

// Bytes before a place from which disassembly is begun, one after the other: far enough to fall
// into step. Runs of the same short instruction take longer.
struct Window {
  size_t farthest, nearest;
};
constexpr Window kWindows[] = {{96, 40}, {2048, 1920}};

// Fewer agreeing walks than this prove nothing.
constexpr size_t kEnoughWalks = 8;

enum class Walk : uint8_t { kArrives, kPasses, kLost };

// Whether disassembly that begins at `at` comes to an instruction whose escape byte is at `to`.
// Leaves in `at` the beginning of the last instruction that it came to, not behind `to`.
Walk WalkTo(ByteSpan code, size_t& at, size_t to) {
  while (at < to) {
    if (code[at] == 0 && code[at + 1] == 0) {
      // Padding: as an instruction it makes no sense, and after an odd number of zeros the next
      // would be misread.
      while (at < to && code[at] == 0) ++at;
      continue;
    }
    auto insn = Decode(code.subspan(at, std::min<size_t>(code.size() - at, kMaxInstruction)));
    if (!insn) return Walk::kLost;
    // Prefixes come before the escape.
    if (insn->map == kMap0f && at + insn->opcode_at == to + 1) return Walk::kArrives;
    if (at + insn->length > to) return Walk::kPasses;
    at += insn->length;
  }
  return Walk::kArrives;
}

Walk WalkFrom(ByteSpan code, size_t from, size_t to) { return WalkTo(code, from, to); }

// Where the walk through the function that was looked at last has come to.
struct Function {
  size_t start = SIZE_MAX;
  size_t at = 0;
};

// Places are asked about in ascending order, so that a function is walked through once.
bool IsInstruction(ByteSpan code, size_t at, const FunctionStart& function_start,
                   Function& function) {
  if (auto start = function_start(at); start && *start <= at) {
    if (function.start != *start) function = {*start, *start};
    Walk walk = WalkTo(code, function.at, at);
    if (walk != Walk::kLost) return walk == Walk::kArrives;
  }
  for (auto [farthest, nearest] : kWindows) {
    // Near the beginning of the code there is one beginning that is certain.
    if (at < nearest + kEnoughWalks) return WalkFrom(code, 0, at) == Walk::kArrives;
    size_t arrived = 0;
    size_t passed = 0;
    for (size_t from = at - std::min(at, farthest); from <= at - nearest; ++from) {
      Walk walk = WalkFrom(code, from, at);
      arrived += walk == Walk::kArrives ? 1U : 0U;
      passed += walk == Walk::kPasses ? 1U : 0U;
    }
    if (arrived == 0) return false;
    if (passed == 0) return arrived >= kEnoughWalks;
  }
  return false;
}

TrapSite SiteAt(ByteSpan code, size_t at, TrapKind kind, uint8_t size) {
  TrapSite site{at, kind, size, {}, {}};
  std::copy_n(code.begin() + static_cast<ptrdiff_t>(at), size, site.original.begin());
  site.trap = site.original;
  site.trap[0] = kTrapEscape;
  return site;
}

// How execution goes on behind an instruction.
struct Successors {
  bool next = true;               // with the one behind it
  std::optional<int64_t> target;  // or with the one so far from there
};

Successors SuccessorsOf(const Instruction& insn) {
  constexpr uint8_t kUd2 = 0x0b, kNearConditional = 0x80;
  constexpr uint8_t kShortConditional = 0x70, kLoops = 0xe0, kCall = 0xe8, kJump = 0xe9,
                    kShortJump = 0xeb;
  constexpr uint8_t kReturn = 0xc3, kReturnPopping = 0xc2, kFarReturn = 0xcb,
                    kFarReturnPopping = 0xca, kInterruptReturn = 0xcf, kBreak = 0xcc, kHalt = 0xf4;
  constexpr uint8_t kIndirect = 0xff, kIndirectJump = 4, kFarIndirectJump = 5;  // ModRM's reg
  if (insn.encoding != Encoding::kLegacy) return {};
  if (insn.map == kMap0f) {
    if (insn.opcode == kUd2) return {.next = false};
    if ((insn.opcode & 0xf0) == kNearConditional) return {.target = insn.immediate};
    return {};
  }
  if (insn.map != kMapOne) return {};
  // loopne, loope, loop and jrcxz are four in a row.
  bool conditional = (insn.opcode & 0xf0) == kShortConditional || (insn.opcode & 0xfc) == kLoops;
  if (conditional) return {.target = insn.immediate};
  switch (insn.opcode) {
    case kCall:
      return {.target = insn.immediate};
    case kJump:
    case kShortJump:
      return {.next = false, .target = insn.immediate};
    case kReturn:
    case kReturnPopping:
    case kFarReturn:
    case kFarReturnPopping:
    case kInterruptReturn:
    case kBreak:
    case kHalt:
      return {.next = false};
    case kIndirect:
      return {.next = insn.reg != kIndirectJump && insn.reg != kFarIndirectJump};
    default:
      return {};
  }
}

}  // namespace

std::vector<TrapSite> FindTrapSitesFrom(ByteSpan code, size_t entry) {
  std::vector<TrapSite> sites;
  std::vector<bool> visited(code.size());
  std::vector<size_t> entries{entry};
  while (!entries.empty()) {
    size_t at = entries.back();
    entries.pop_back();
    while (at < code.size() && !visited[at]) {
      visited[at] = true;
      ByteSpan rest = code.subspan(at, std::min<size_t>(code.size() - at, kMaxInstruction));
      if (TrappedInstruction trapped = DecodeTrap(rest); trapped.kind != TrapKind::kNone) {
        uint8_t size = trapped.kind == TrapKind::kTimestampAndCpu ? 3 : 2;  // without prefixes
        at += trapped.length;
        // One that traps already is no site.
        if (code[at - size] == kEscape)
          sites.push_back(SiteAt(code, at - size, trapped.kind, size));
        continue;
      }
      auto insn = Decode(rest);
      if (!insn) break;
      Successors successors = SuccessorsOf(*insn);
      at += insn->length;
      if (successors.target) {
        int64_t target = static_cast<int64_t>(at) + *successors.target;
        if (target >= 0 && target < static_cast<int64_t>(code.size()))
          entries.push_back(static_cast<size_t>(target));
      }
      if (!successors.next) break;
    }
  }
  std::ranges::sort(sites, {}, &TrapSite::offset);
  return sites;
}

std::vector<TrapSite> FindTrapSites(ByteSpan code, const FunctionStart& function_start) {
  std::vector<TrapSite> sites;
  Function function;
  auto look = [&](size_t at) {
    TrappedInstruction insn = DecodeTrap(code.subspan(at, std::min<size_t>(3, code.size() - at)));
    if (insn.kind == TrapKind::kNone || !IsInstruction(code, at, function_start, function)) return;
    sites.push_back(SiteAt(code, at, insn.kind, insn.length));
  };
  constexpr size_t kBlock = sizeof(__m128i);
  const __m128i escape = _mm_set1_epi8(kEscape);
  const __m128i seconds[] = {_mm_set1_epi8(0x31), _mm_set1_epi8(static_cast<char>(0xa2)),
                             _mm_set1_epi8(0x01)};
  size_t at = 0;
  for (; at + kBlock + 1 <= code.size(); at += kBlock) {
    auto load = [&](size_t from) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(code.data() + from));
    };
    __m128i next = load(at + 1);
    __m128i match = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(next, seconds[0]), _mm_cmpeq_epi8(next, seconds[1])),
        _mm_cmpeq_epi8(next, seconds[2]));
    int found = _mm_movemask_epi8(_mm_and_si128(match, _mm_cmpeq_epi8(load(at), escape)));
    for (; found != 0; found &= found - 1) look(at + static_cast<size_t>(__builtin_ctz(found)));
  }
  for (; at + 1 < code.size(); ++at) {
    if (code[at] == kEscape) look(at);
  }
  return sites;
}

}  // namespace retake::machine
