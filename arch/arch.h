// The one interface to what differs per instruction set. Each of arch/x86_64 and arch/aarch64 gives
// all of it, in two halves:
//
//  - the *description* is data, built on every host, so that a trace of either architecture can be
//  listed, dumped and
//    verified on the other: syscall numbers, register names and layout, sizes of the kernel's
//    structures, flag values;
//  - the *machine* half is built for the host only and makes no syscalls: pure functions on bytes
//  and register files.
//
// Nothing outside arch/ tests for an architecture, names a register, or knows a register's index.
#ifndef RETAKE_ARCH_ARCH_H_
#define RETAKE_ARCH_ARCH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "arch/sys.h"
#include "base/bytes.h"

namespace retake {

enum class ArchId : uint8_t { kX86_64 = 1, kAarch64 = 2 };

// A task's general registers: the words of NT_PRSTATUS as the kernel lays them out, then, where the
// architecture keeps them in regsets of their own, the thread pointer(s) and the syscall number.
// How many words are in use, and what each means, is the description's business.
struct Registers {
  static constexpr size_t kMaxWords = 40;
  std::array<uint64_t, kMaxWords> words{};

  bool operator==(const Registers&) const = default;
};

// A ptrace regset and where its bytes go in Registers::words. Source: <linux/elf.h>.
struct Regset {
  uint32_t note_type;  // NT_PRSTATUS, ...
  uint16_t first_word;
  uint16_t bytes;
  bool optional;  // absent on some kernels or CPUs: read as zero there, and not written
};

// What a word of Registers means, where code outside arch/ needs to know.
enum class RegisterRole : uint8_t {
  kPlain,    // compared and restored, nothing more
  kPc,       // instruction pointer
  kSp,       // stack pointer
  kResult,   // return value of a syscall
  kSyscall,  // syscall number at a syscall stop; -1 when not in one
  kFlags,    // condition codes and the single-step bit
  kTls,      // thread pointer
  kIgnored,  // not part of the program's state (never compared)
};

struct RegisterInfo {
  std::string_view name;
  RegisterRole role;
};

// Sizes and layouts of the kernel's ABI structures that differ (or could) per architecture, in
// bytes. Compared with both architectures' headers by a test (S18).
struct AbiLayout {
  uint16_t stat_size;         // struct stat as the stat family of calls fills it
  uint16_t statfs_size;       // struct statfs
  uint16_t epoll_event_size;  // packed on x86_64
  uint16_t ksigaction_size;   // what rt_sigaction reads and writes
  uint16_t ksigaction_flags_offset;
  uint16_t ksigaction_mask_offset;
  bool has_sa_restorer;
  uint16_t msghdr_size;
  uint16_t flock_size;
  uint16_t termios_size;
  uint16_t utsname_size;
  uint16_t rusage_size;
  uint16_t sysinfo_size;
  uint16_t stat_mode_offset;
  uint16_t stat_rdev_offset;
  // Index of clone's child_tid argument (CLONE_CHILD_SETTID); the thread pointer is the other of 3
  // and 4. No header has it: it is 4 where the kernel is built with CONFIG_CLONE_BACKWARDS. A test
  // clones to see.
  uint8_t clone_child_tid_arg;
};

// Flag values that differ between the two architectures (the rest are shared by all of Linux's
// generic ABI). Source: arch/*/include/uapi/asm/fcntl.h.
struct FlagValues {
  uint32_t o_directory;
  uint32_t o_nofollow;
  uint32_t o_direct;
  uint32_t o_largefile;
  uint32_t map_32bit;  // 0 where absent
};

// A symbol of the vDSO that gives the time, the CPU number or random bytes, and the syscall that
// answers it.
struct VdsoSymbol {
  std::string_view name;
  Sys sys;
};

struct ArchDescription {
  ArchId id;
  std::string_view name;  // as `uname -m` says
  uint32_t audit_arch;    // AUDIT_ARCH_* of <linux/audit.h>
  uint16_t elf_machine;   // EM_*
  std::span<const RegisterInfo> registers;
  // Indices into Registers::words.
  uint8_t pc, sp, result, syscall;
  std::array<uint8_t, 6> args;
  AbiLayout abi;
  FlagValues flags;
  std::span<const VdsoSymbol> vdso_symbols;
  std::string_view syscall_instruction;  // its bytes

  // The number of a syscall, or -1 where this architecture hasn't got it.
  int NumberOf(Sys sys) const;
  // The syscall of a number; Sys::kNone for a number without a row.
  Sys SysOf(int64_t number) const;
};

const ArchDescription& X86_64Description();
const ArchDescription& Aarch64Description();
// Of an archive's architecture byte; null for one that doesn't exist.
const ArchDescription* DescriptionOf(ArchId id);
// The one this binary runs on.
const ArchDescription& HostArch();

// --- The machine half: this host's only
// -------------------------------------------------------------------------

// Bytes to write at an offset of some image (vDSO, code page).
struct Patch {
  uint64_t offset;
  std::vector<uint8_t> bytes;
};

// An instruction that traps because the supervisor asked for it, and that the supervisor must
// answer.
enum class TrapKind : uint8_t { kNone, kTimestamp, kTimestampAndCpu, kCpuid };

struct TrappedInstruction {
  TrapKind kind = TrapKind::kNone;
  uint8_t length = 0;      // bytes
  uint8_t target = 0;      // word that receives the value, where the instruction names it (aarch64)
  bool frequency = false;  // asks how fast the timestamp counts, not for its value (aarch64)
};

struct CpuidResult {
  uint32_t eax, ebx, ecx, edx;
  bool operator==(const CpuidResult&) const = default;
};

// Where the parts of the stub page are, as offsets from kStubAddress. The page's code is
// position-independent and comes from arch/<isa>/stub.S; the layout of its data is stub/layout.h.
struct StubImage {
  ByteSpan code;           // fits one page
  uint64_t batch_entry;    // runs the batch in the data page, then breaks
  uint64_t batch_break;    // pc reported at the break that ends a batch
  uint64_t syscall_entry;  // one syscall with the registers as they are, then breaks
  uint64_t syscall_break;  // pc reported at that break
};

// Code that makes calls in a task that wasn't started by us and may outlive us, and puts the task
// back by itself (arch/<isa>/inject.S). Offsets are from the code's begin.
struct InjectImage {
  ByteSpan code;     // ends with its table, all zero
  uint64_t call;     // one call with the registers as they are, then the stop
  uint64_t batch;    // calls that lie in memory (SetInjectBatch), then the stop
  uint64_t clone;    // a clone call that shares memory, then a wait for the child, then the stop
  uint64_t stopped;  // pc at the stop; from here on it goes home
  uint64_t table;    // to be overwritten with InjectTable
};

// Where the injected code takes a task back to.
struct InjectHome {
  Registers registers;        // as Resumable makes them, for the same kernel task
  uint64_t signal_mask = 0;   // bit n - 1 for signal n
  uint64_t scratch = 0;       // memory that is unmapped on the way, ...
  uint64_t scratch_size = 0;  // ... bytes
  int32_t pid = 0, tid = 0;   // its own
  int32_t stop_signal = 0;    // what it stops by; 0: nothing
};

// A call that a task sleeps in, as the kernel tells of one that isn't stopped
// (/proc/PID/task/TID/syscall).
struct SleepingCall {
  int64_t number = -1;
  std::array<uint64_t, 6> args{};
  uint64_t stack = 0;
  uint64_t pc = 0;  // behind its instruction
};

// What became of the call that a task was in when it was stopped (PTRACE_INTERRUPT, SIGSTOP).
enum class StopOutcome : uint8_t {
  kNone,           // none, or one that is over
  kAhead,          // the registers are those before it: it will be made
  kRestarts,       // the kernel will rewind the registers when the task goes on
  kRestartsLimit,  // as one of these; the kernel remembers how much of its time limit is left
  kEnded,          // it has ended early (EINTR), perhaps for the sake of the stop
};

struct StoppedCall {
  int64_t number = -1;
  StopOutcome outcome = StopOutcome::kNone;
};

// Something that a task has, which only it can ask for, and set.
struct TaskAttribute {
  const char* name;  // for an error: "can't set NAME"
  // The call that asks; `by_pointer` is the index of the argument that points to where the answer,
  // an int, is to go; -1: the answer is the call's result.
  Sys get;
  std::array<uint64_t, 4> get_arguments;
  int by_pointer;
  // The call that sets it, with the answer as the argument of that index; kNone: there is none.
  Sys set;
  std::array<uint64_t, 4> set_arguments;
  int set_index;
  // Bits of an answer that are set but never answered, or answered but can't be set.
  uint64_t ignored_bits = 0;
};

namespace machine {

// Those that only this architecture has.
std::span<const TaskAttribute> TaskAttributes();

// The regsets that together make Registers, NT_PRSTATUS first.
std::span<const Regset> Regsets();
// The regset that a ptrace request of this architecture's own reads, as PTRACE_GETREGS does;
// nullopt for any other.
std::optional<uint32_t> RegsetOfRequest(uint64_t request);
// The regset that holds FP and vector state (NT_X86_XSTATE; NT_PRFPREG).
uint32_t VectorRegset();
// An upper bound of that regset's size on any CPU, in bytes: the buffer to ask with. (AMX
// included.)
size_t MaxVectorBytes();

// At a syscall-entry stop or an exit stop.
uint64_t SyscallNumber(const Registers& regs);
uint64_t Argument(const Registers& regs, int index);
void SetArgument(Registers& regs, int index, uint64_t value);
int64_t ResultOf(const Registers& regs);
void SetResult(Registers& regs, int64_t value);

// Makes the registers of a task at any stop safe to continue from elsewhere: the kernel must not
// apply its syscall-restart rules to them (DESIGN trap 12).
void ForgetSyscall(Registers& regs);
// At an entry stop: makes the kernel run no call at all; the result register then holds what
// SetResult set.
void SuppressCall(Registers& regs);
// Turns registers at a syscall *entry* (the call suppressed) into those after it returned `result`:
// what the hardware's syscall instruction clobbers is set as the kernel would.
void FinishCall(Registers& regs, int64_t result);
// What the kernel leaves as the result of a call that a filter turns into SIGSYS: the registers are
// as they were before the call (syscall_rollback).
int64_t RolledBackResult(const Registers& entry);

// At a stop in user code (or one made so by ForgetSyscall): makes the registers such that executing
// the syscall instruction makes this call.
void SetCall(Registers& regs, uint64_t number, const uint64_t (&args)[6]);
// Turns registers at a syscall entry (the call suppressed) into those just before its syscall
// instruction, so that the task makes the call again when it goes on.
void RewindToCall(Registers& regs);

// Whether a stop at a call's entry is of a call that the kernel makes by itself for code that jumps
// to a legacy page (x86_64's vsyscall page). It has no exit stop; suppressed, it returns to the
// caller by itself.
bool IsLegacyPageCall(const Registers& regs);
// That page's address; 0 where there is none.
uint64_t LegacyPage();
// The registers after such a call: it returns to the address on the stack.
void FinishLegacyPageCall(Registers& regs, uint64_t return_address, int64_t result);

// A register that syscall-entry and exit stops of PTRACE_SYSCALL and PTRACE_SYSEMU don't show,
// whose word says something else there, and where a signal frame has it, in bytes from the stack
// pointer at rt_sigreturn. See tracee/hidden_register.h.
struct HiddenRegister {
  uint8_t word;
  uint64_t signal_frame_offset;
};
std::optional<HiddenRegister> HiddenAtSyscallStops();

// Results at the exit stop of an interrupted call that the program never sees (-512 ..-516:
// ERESTARTSYS and its kin, Linux include/linux/errno.h). Where the kernel rewinds the call before
// the next signal's stop, registers there have the argument again.
bool IsRestart(int64_t result);

// True if `entry` is the re-entry of the call whose registers at its first entry were `first`: the
// kernel restarted it, possibly as restart_syscall.
bool IsReentryOf(const Registers& first, const Registers& entry);

// Registers that compare equal in record and replay: ignored words zeroed, flag bits of the
// debugger's own cleared.
Registers Comparable(const Registers& regs);

// The stack below sp that a signal frame leaves alone (the red zone), in bytes.
uint64_t RedZone();
// An upper bound of what the kernel pushes for a signal frame, given the vector state's size.
uint64_t MaxSignalFrame(size_t vector_bytes);

// Decodes the instruction at pc (up to 16 bytes of it) as one that traps.
TrappedInstruction DecodeTrap(ByteSpan code);
// A call that a task makes for itself to have instructions trap.
struct TrapSwitch {
  Sys sys;
  std::array<uint64_t, 2> args;
  bool operator==(const TrapSwitch&) const = default;
};
// Makes the time-stamp counter trap; nullopt where no kernel can. Inherited by fork; where exec
// resets it, it is among CallsAfterExec.
std::optional<TrapSwitch> TimestampTrap(bool on = true);
// Whether a switch between a thread in which it traps and one in which it doesn't may cost a
// virtual machine more than doing without the counter does.
bool TimestampSwitchIsDear();
// Calls that a program makes for itself after each exec, before its first instruction, so that it
// depends on nothing that a trace doesn't hold: traps that exec resets, pointer signatures by keys
// that the kernel draws. Inherited by fork. A kernel or CPU that refuses one is no failure:
// `doctor` names the trap, and what a program then sees shows in the comparison of registers.
std::span<const TrapSwitch> CallsAfterExec();
// Makes cpuid trap (on) or run free; nullopt where there is no such instruction. Inherited by fork,
// cleared by exec. May be refused (ENODEV) by the CPU.
std::optional<TrapSwitch> CpuidTrap(bool on);
// What a program is told instead of the CPU's own answer: instructions that nothing can trap
// (random numbers, the CPU number) are hidden; with `portable`, whatever is beyond a baseline CPU
// is too.
CpuidResult MaskCpuid(uint32_t leaf, uint32_t subleaf, CpuidResult value, bool portable);

// If the signal that interrupted the calling thread, with this context (ucontext_t), comes of an
// instruction that reads the timestamp: executes it with the trap off and steps over it.
// Async-signal-safe.
bool AnswerOwnTimestamp(void* context, void (*switch_trap)(bool on));
// The same for cpuid.
bool AnswerOwnCpuid(void* context, void (*switch_trap)(bool on));

// What the CPU itself answers.
uint64_t ReadTimestamp();
// What the CPU would answer to this very instruction (a timestamp, or its frequency).
uint64_t ReadTimestamp(const TrappedInstruction& insn);
CpuidResult ReadCpuid(uint32_t leaf, uint32_t subleaf);
// The leaf and subleaf that a trapped cpuid asks for.
std::pair<uint32_t, uint32_t> CpuidQuestion(const Registers& regs);
// Finish the instruction: set its result registers and step over it.
void AnswerTimestamp(Registers& regs, const TrappedInstruction& insn, uint64_t value, uint32_t cpu);
void AnswerCpuid(Registers& regs, const TrappedInstruction& insn, const CpuidResult& value);

// What to write over the vDSO so that each of its time functions makes the plain syscall. `elf` is
// the vDSO's image. Fails, naming the symbol, if an exported time function can't be patched inside
// its own bytes. A symbol that isn't there is no error. Functions that could be served without a
// call but have no plain syscall (vDSO getrandom) are patched to answer ENOSYS.
Result<std::vector<Patch>> VdsoPatches(ByteSpan elf);

// The same, but each function goes on in the one of that name in `other`, the image of a vDSO that
// is mapped at `address`, and makes the plain syscall only if there is none (on x86_64 also where a
// jump doesn't fit; on aarch64 that fails). vDSO getrandom answers ENOSYS all the same: its state
// is the kernel's that made it.
Result<std::vector<Patch>> VdsoForwards(ByteSpan elf, ByteSpan other, uint64_t address);

// What to write over the code of a dynamic loader (an executable mapping, whole pages) so that it
// leaves in memory what depends on the program only. None for code that is no such loader's, or
// that has no room for it in its last page.
std::vector<Patch> LoaderPatches(ByteSpan code);

StubImage Stub();

InjectImage Inject();
// The first words of the registers, as many as the code restores; pc, mask and scratch behind them.
std::vector<uint8_t> InjectTable(const InjectHome& home);
// Sets the registers with which InjectImage::batch makes `count` calls (BatchCall of stub/layout.h)
// that lie at `calls`.
void SetInjectBatch(Registers& regs, uint64_t calls, uint64_t count);
// What the one call of InjectImage::call gave, at the stop behind it.
uint64_t InjectResult(const Registers& regs);
// Whether a stop hides from what call it has interrupted a task. It must then be asked for before
// (SleepingCall); and once a task's registers have been set at a stop, the kernel does no more than
// go on with them.
bool StopsHideCalls();
// The call that a task stopped with these registers was in. `sleeping`, `code`: where stops hide
// calls, what it slept in before, if that was asked for, and the instruction at the pc.
StoppedCall CallAtStop(const Registers& stopped, const SleepingCall* sleeping, ByteSpan code);
// Those registers made such that a task that only goes on with them does what the kernel would have
// it do: makes an interrupted call again. With `same_kernel_task` such calls as the kernel has kept
// the remaining time of go on with that; another task makes them in full.
Registers Resumable(const Registers& stopped, const StoppedCall& call, bool same_kernel_task);
// Registers at a stop behind a call that has ended early (kEnded), made those before it.
void RewindEndedCall(Registers& stopped, const StoppedCall& call, const SleepingCall* sleeping);
// The call whose number the last instructions of `code` load, which ends where a syscall
// instruction begins; nullopt: they don't tell.
std::optional<int64_t> LoadedCall(ByteSpan code);
// As many bytes of code as are worth giving to that.
inline constexpr size_t kLoadedCallBytes = 64;

// Single-step or breakpoint traps report the pc this far past the break instruction.
inline constexpr size_t kMaxBreakpointBytes = 4;
ByteSpan BreakpointInstruction();

// Whether the trace's CPU needs are met by this CPU: names of features, for `info` and for
// refusals.
struct CpuFeature {
  std::string_view name;
  bool present;
};
std::vector<CpuFeature> CpuFeatures();
// A one-line name of the CPU.
std::string CpuModel();

}  // namespace machine
}  // namespace retake

#endif  // RETAKE_ARCH_ARCH_H_
