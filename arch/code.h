// The program's code, instruction by instruction: what single-stepping it, moving a piece of it
// elsewhere and patching a jump or a comparison into it must know. Part of the machine half: pure
// functions on bytes, of the host's instruction set only.
//
// Its users: the stepper (tracee/stepper.h) asks what an instruction will do before it is stepped;
// the state match (replay/state_match.h) puts a comparison at an instruction; planted traps
// (tracee/planted_traps.h) take the place of instructions; patched syscall sites need the same jump
// and the same moved code.
//
// The decoding is our own (small: lengths, operands' addresses and what can't be stepped or moved),
// since retake is linked statically and Debian has no static Zydis; a test compares it with Zydis
// over all of libc's code.
#ifndef RETAKE_ARCH_CODE_H_
#define RETAKE_ARCH_CODE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "arch/arch.h"
#include "base/bytes.h"
#include "base/result.h"

namespace retake::machine {

// No instruction is longer. Bytes.
inline constexpr size_t kMaxInstruction = 16;

// --- Stepping

enum class StepKind : uint8_t {
  kPlain,      // one step executes it, or raises the fault that the program would get
  kSyscall,    // enters the kernel: must not be stepped, a step would make the call
  kExclusive,  // begins a load-exclusive .. store-exclusive sequence, which no stop may interrupt
  kRefused,    // not to be stepped: unknown, a breakpoint, or it hides the step's trap
};

// An address that an instruction computes: base + (index << shift) + offset + segment.
struct AddressRule {
  static constexpr uint8_t kNone = 0xff;
  enum class Extend : uint8_t { kWhole, kUnsigned32, kSigned32 };

  uint8_t base = kNone;  // words of Registers
  uint8_t index = kNone;
  uint8_t segment = kNone;
  uint8_t shift = 0;
  Extend extend = Extend::kWhole;  // of the index
  bool narrow = false;             // all but the segment wraps at 32 bits
  uint16_t size = 0;               // bytes accessed there at most
  int64_t offset = 0;

  uint64_t AddressIn(const Registers& registers) const;
};

// What an instruction at a known address will do.
struct InstructionInfo {
  StepKind kind = StepKind::kRefused;
  uint8_t length = 0;  // bytes; 0 where it isn't known
  // A step executes one round of it and leaves the pc (a repeated string instruction). Natively all
  // rounds are executed without passing the pc again, so nothing can be stopped between two of them
  // other than by a step or an interrupt.
  bool repeats = false;
  // It stores the flags, with the step's own flag among them: see ClearStoredStepFlag.
  bool stores_flags = false;
  // The memory that it may write: no more than what `writes` says, unless `unknown_writes`. (Often
  // more: operands that are only read may be among them.)
  bool unknown_writes = false;
  uint8_t write_count = 0;
  AddressRule writes[2];
};

// Of the instruction at `pc` whose bytes, and perhaps more, are `code`.
InstructionInfo DecodeInstruction(uint64_t pc, ByteSpan code);

// Of a kExclusive instruction: the addresses at which the task is when the sequence is over (behind
// its store, and where its branches lead). Empty if no store follows in `code`: then there is
// nothing that a step could spoil.
std::vector<uint64_t> ExclusiveExits(uint64_t pc, ByteSpan code);
// Bytes of code to give ExclusiveExits.
inline constexpr size_t kMaxExclusiveBytes = 128;

// What an instruction with `stores_flags` left at the stack pointer when stepped, as it would be
// had it not been stepped.
uint64_t ClearStoredStepFlag(uint64_t stored);

// The bits of a data address that the CPU looks at.
uint64_t DataAddressMask();

// How far past a breakpoint instruction the pc is that its trap reports.
size_t BreakpointPcOffset();

// --- Vector state

// Zeroes what of a whole vector regset says nothing of the program's state, and brings it to one of
// the layouts it may have, so that equal states are equal bytes, in record and in replay. No longer
// for setting.
void MakeVectorComparable(std::vector<uint8_t>& state);

// Whether a system call takes from a task what it has in its vector registers, as aarch64's kernel
// drops what SVE's have beyond 16 bytes, and its predicates; and whether this state has any of it.
bool CallsDropVectorState();
bool HasDroppedByCalls(ByteSpan state);

// --- Moving code

// Instructions copied to another address, so that executing the copy does what the originals did,
// and then goes on behind them.
struct MovedCode {
  struct Place {
    uint64_t original;  // address of an instruction
    size_t offset;      // of its copy's first byte in `bytes`
  };
  std::vector<uint8_t> bytes;
  std::vector<Place> places;  // ascending; a copy may have several instructions, but only the last
                              // of them can fault or leave
  size_t consumed = 0;        // bytes of the original
};

// Moves whole instructions from `from`, at least `at_least` bytes of them or until one that never
// goes on to the next, to `to`. An error names what can't be moved: a syscall, code that begins or
// stands in an exclusive sequence, an x87 instruction (which leaves its address in the state), a
// target out of reach.
Result<MovedCode> MoveCode(uint64_t from, ByteSpan code, size_t at_least, uint64_t to);

// --- Making instructions trap
//
// Where neither kernel nor CPU makes an instruction trap that the supervisor must answer
// (DecodeTrap), another one is put in its place: one that raises SIGILL there, and that DecodeTrap
// knows as what it stands for.

struct TrapSite {
  size_t offset = 0;  // into the code
  TrapKind kind = TrapKind::kNone;
  uint8_t size = 0;  // bytes
  std::array<uint8_t, 4> original{};
  std::array<uint8_t, 4> trap{};
};

// The beginning of the function that holds an offset of the code, as unwind tables say it.
using FunctionStart = std::function<std::optional<size_t>(size_t offset)>;

// Those instructions in a section of code, ascending. Where bytes look like one but may as well be
// data, or part of another instruction, they are left alone.
std::vector<TrapSite> FindTrapSites(ByteSpan code, const FunctionStart& function_start);
// Those that execution which begins at `entry`, an offset of the code, may come to without leaving
// the code or following a pointer; ascending. For code that no file's sections tell from data.
std::vector<TrapSite> FindTrapSitesFrom(ByteSpan code, size_t entry);

// --- Patching a jump into code

// The bytes of a jump.
size_t JumpBytes();
// How far a jump reaches, either way.
uint64_t JumpReach();
// An address in [low, high - room) to which a jump at `site` may lead, or nullopt.
//
// On x86_64 a jump is longer than most instructions, so it covers some that follow, and another
// branch may lead to one of those. Which branches exist can't be known. So only such targets are
// given that each byte of the jump behind the first is an instruction that traps (invalid, or for
// the kernel only): whoever lands in the middle traps there, at an address in (site, site + size),
// before anything happened, and can be sent on after the original bytes have been put back.
std::optional<uint64_t> PickJumpTarget(uint64_t site, uint64_t low, uint64_t high, uint64_t room);
// The jump itself. `target` is in reach.
std::vector<uint8_t> Jump(uint64_t site, uint64_t target);

// --- Comparing registers inside the process

// A word of memory and the value it must have. `address` is a multiple of 8.
struct WordValue {
  uint64_t address = 0;
  uint64_t value = 0;
  bool operator==(const WordValue&) const = default;
};

inline constexpr size_t kMaxComparedWords = 16;

// A word of Registers, and what it is to be.
struct RegisterValue {
  size_t word = 0;
  uint64_t value = 0;
};
// Of the data that the comparison uses, which must lie at an address below 2 GiB.
inline constexpr size_t kCompareDataBytes = 1024;
// An upper bound of the trampoline's code.
inline constexpr size_t kMaxCompareCode = 2048;

// Code that compares the general registers, flags, memory words and the low halves of the vector
// registers with what its data say; breaks where all are equal, and else goes on with the moved
// instructions. It uses no stack and changes no register, flag or memory but its data.
//
// The breaks and faults leave the registers as they were at the site, but for the pc.
struct CompareCode {
  std::vector<uint8_t> bytes;
  uint64_t match_pc = 0;     // reported at the break that says "equal"
  uint64_t mismatch_pc = 0;  // where to go on if a compared word can't be read, from
  uint64_t first_word_pc = 0, words_end_pc = 0;  // [first_word_pc, words_end_pc)
  uint64_t resume_pc = 0;  // where to go on behind the comparison, with the site's registers
  MovedCode moved;         // `places` are offsets from resume_pc
};

// The trampoline for the instructions at `site` (bytes `code`), to be put at `at`, with its data at
// `data`. `first` is a word of Registers that nearly always differs, if one is known: that is seen
// several times as fast.
Result<CompareCode> BuildCompare(uint64_t site, ByteSpan code, uint64_t at, uint64_t data,
                                 std::optional<RegisterValue> first);
// Whether a word of Registers may be `first`.
bool MayCompareFirst(size_t word);

// Its data. `vector` is a whole vector regset. `current` are the task's registers now (the code
// borrows a register that must be given back what it holds). At most kMaxComparedWords words.
std::vector<uint8_t> CompareData(uint64_t data, const Registers& expected, ByteSpan vector,
                                 std::span<const WordValue> words, const Registers& current);
// How many times the site has been passed, out of the data; where `first` differed, that may not
// have been counted.
uint64_t ComparedPassings(ByteSpan data);

}  // namespace retake::machine

#endif  // RETAKE_ARCH_CODE_H_
