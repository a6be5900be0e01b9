// Finding a mark: the replay's half of state_match.h.
#include "replay/state_match.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "replay/code_guard.h"
#include "replay/compare_trampoline.h"
#include "replay/state_comparison.h"
#include "supervisor/own_traps.h"
#include "tracee/code_patch.h"
#include "tracee/remote_calls.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

// Bytes: as much as a jump covers and, with the last instruction that it covers, moves elsewhere.
constexpr uint64_t kMostPatched = 2 * machine::kMaxInstruction;

// How often a task may branch into the middle of a jump before breakpoints are used instead.
constexpr uint64_t kMostLandings = 64;

// Stops a task when a time is over. A thread, so that the tracer can wait without polling.
//
// The signal is one that nobody can block. It must not meet an injected call, so the alarm is
// silenced around those, and started again.
class Alarm {
 public:
  explicit Alarm(pid_t pid, int64_t milliseconds) : pid_(pid) {
    if (milliseconds > 0) deadline_ = SteadyNow() + std::chrono::milliseconds(milliseconds);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;
  ~Alarm() { Join(); }

  void Start() {
    if (!deadline_ || thread_.joinable() || rang_) return;
    over_ = false;
    thread_ = std::thread([this] {
      OwnTimestampTrap::LeaveInherited();
      std::unique_lock lock(mutex_);
      if (wake_.wait_until(lock, *deadline_, [&] { return over_; })) return;
      rang_ = true;
      kill(pid_, SIGSTOP);
    });
  }
  // Afterwards the task has no signal of the alarm's pending. It is stopped, and stays where it is.
  Status Silence() {
    Join();
    if (!rang_ || heard_) return {};
    // A pending signal comes before the step's instruction.
    for (int i = 0; i < kMostPending && !heard_; ++i) {
      TRY(ptracer::Resume(pid_, ResumeKind::kStep));
      WaitStatus status = *TRY(ptracer::WaitOne(pid_, -1));
      if (status.gone()) return Error(ESRCH, "the task is gone", pid_);
      Hear(status);
    }
    return {};
  }
  bool heard() const { return heard_; }
  // Whether this stop is the alarm's.
  bool Hear(WaitStatus status) {
    bool ours = rang_ && status.kind() == StopKind::kSignal && status.signal() == SIGSTOP;
    if (ours) heard_ = true;
    return ours;
  }

 private:
  using Clock = std::chrono::steady_clock;
  // Other signals that may lie before it.
  static constexpr int kMostPending = 64;

  void Join() {
    if (!thread_.joinable()) return;
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  pid_t pid_;
  std::optional<Clock::time_point> deadline_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
  std::atomic<bool> rang_ = false;
  bool heard_ = false;
  std::thread thread_;
};

class Search {
 public:
  Search(pid_t pid, TaskMemory& memory, const StateMark& mark, const MatchOptions& options)
      : pid_(pid),
        memory_(memory),
        mark_(mark),
        options_(options),
        site_(Pc(mark.registers)),
        comparison_(pid, memory, mark),
        words_(mark.words),
        stepper_(pid, memory),
        alarm_(pid, options.limit),
        guard_(pid) {}

  Result<MatchOutcome> Run();

 private:
  using Kind = MatchOutcome::Kind;
  // What to do after looking at a stop.
  enum class Next : uint8_t { kGoOn, kEnd };

  // Nothing is patched.
  Result<bool> IsHere();
  // At a passing that isn't the one: which registers tell.
  void LearnFrom(const Registers& registers);
  // At one whose registers and compared words are the mark's: which words tell. Whether there are
  // others now.
  bool LearnWords();
  // A register that has differed each time, best one that changes from passing to passing.
  std::optional<size_t> TellingWord() const;
  // Lets the task run to its next stop that isn't a signal from outside.
  Result<Next> Resume();
  Result<Next> StopOf(StepOutcome outcome);
  Result<Next> StepOff();
  Result<Next> PassByBreakpoint();
  Result<Next> RunTrampoline();
  Result<Next> LeaveMiddle();
  Result<Next> WriteUnderTrampoline();
  Result<Next> TryTrampoline();
  Status LeaveTrampoline();
  // Before the task is let go on with patched code.
  Result<Next> RaiseGuard();
  // The task's stop is the guard's: lets it write.
  Result<Next> LetWrite();
  // The task is in its own code, with no jump there: looks if it is at the mark, and puts the jump
  // back where the code is still what the trampoline was made for.
  Result<Next> PutJumpBack();
  Next End(Kind kind) {
    outcome_.kind = kind;
    return Next::kEnd;
  }
  bool IsGuards() const { return status_.kind() == StopKind::kSignal && guard_.Stopped(info_); }
  bool IsTrap() const { return status_.kind() == StopKind::kSignal && status_.signal() == SIGTRAP; }
  Status MoveTo(uint64_t pc) {
    SetPc(registers_, pc);
    return ptracer::SetRegisters(pid_, registers_);
  }

  pid_t pid_;
  TaskMemory& memory_;
  const StateMark& mark_;
  const MatchOptions& options_;
  uint64_t site_;
  StateComparison comparison_;
  std::vector<machine::WordValue> words_;  // compared in the process
  Stepper stepper_;
  Alarm alarm_;
  CodeGuard guard_;
  MatchOutcome outcome_;
  Registers registers_;
  WaitStatus status_;
  siginfo_t info_{};  // of the signal that Resume() has stopped at
  std::optional<CompareTrampoline> trampoline_;
  bool no_trampoline_ = false;
  std::vector<size_t> telling_;         // words of registers, those that changed last first
  std::optional<Registers> last_seen_;  // at the passing before
  uint64_t landings_ = 0;
};

Result<bool> Search::IsHere() {
  if (!comparison_.RegistersEqual(registers_)) return false;
  if (guard_.is_raised()) {
    // What can be written is to be what the program sees.
    TRY(alarm_.Silence());
    TRY(guard_.Lower(memory_, registers_));
  }
  if (TRY(comparison_.RestEqual(registers_))) return true;
  if (LearnWords() && trampoline_) TRY(trampoline_->Expect(memory_, mark_, words_, registers_));
  return false;
}

bool Search::LearnWords() {
  std::vector<machine::WordValue> telling;
  for (const WordRun& run : mark_.surroundings) {
    std::vector<uint64_t> now(run.values.size());
    size_t got = memory_.ReadSome(run.address, now.data(), now.size() * sizeof(uint64_t));
    for (size_t i = 0; i < got / sizeof(uint64_t); ++i) {
      if (telling.size() == machine::kMaxComparedWords) break;
      if (now[i] != run.values[i])
        telling.push_back({run.address + i * sizeof(uint64_t), run.values[i]});
    }
  }
  if (telling.empty()) return false;
  // Words that have told others apart may do so again.
  size_t room = machine::kMaxComparedWords - telling.size();
  telling.insert(telling.end(), words_.begin(),
                 words_.begin() + static_cast<ptrdiff_t>(std::min(room, words_.size())));
  words_ = std::move(telling);
  return true;
}

Result<Search::Next> Search::RaiseGuard() {
  if (!guard_.is_needed() || guard_.is_raised()) return Next::kGoOn;
  TRY(alarm_.Silence());
  if (alarm_.heard()) return End(Kind::kLimit);
  TRY(guard_.Raise(memory_, registers_));
  alarm_.Start();
  return Next::kGoOn;
}

Result<Search::Next> Search::LetWrite() {
  TRY(alarm_.Silence());
  TRY(guard_.Lower(memory_, registers_));
  for (;;) {
    StepOutcome outcome = TRY(stepper_.StepWhole(registers_));
    Next next = TRY(StopOf(outcome));
    if (next == Next::kEnd || outcome == StepOutcome::kStepped) return next;
  }
}

Result<Search::Next> Search::Resume() {
  stepper_.Forget();
  for (;;) {
    TRY(ptracer::Resume(pid_, options_.resume));
    status_ = *TRY(ptracer::WaitOne(pid_, -1));
    if (status_.gone()) {
      outcome_.status = status_;
      return End(Kind::kStopped);
    }
    TRY(ptracer::GetRegisters(pid_, registers_));
    if (status_.kind() == StopKind::kEventStop || status_.kind() == StopKind::kGroupStop) continue;
    if (status_.kind() != StopKind::kSignal) break;
    if (alarm_.Hear(status_)) return End(Kind::kLimit);
    TRY(ptracer::GetSiginfo(pid_, info_));
    if (info_.si_code > 0) break;
  }
  return Next::kGoOn;
}

Result<Search::Next> Search::StopOf(StepOutcome outcome) {
  switch (outcome) {
    case StepOutcome::kStepped:
      return Next::kGoOn;
    case StepOutcome::kStopped:
      status_ = stepper_.status();
      if (!status_.gone() && status_.kind() == StopKind::kSignal) {
        if (alarm_.Hear(status_)) return End(Kind::kLimit);
        siginfo_t info;
        TRY(ptracer::GetSiginfo(pid_, info));
        if (info.si_code <= 0) return Next::kGoOn;  // from outside: step again
        if (guard_.Stopped(info)) return LetWrite();
      } else if (!status_.gone() && (status_.kind() == StopKind::kEventStop ||
                                     status_.kind() == StopKind::kGroupStop)) {
        return Next::kGoOn;
      }
      break;
    case StepOutcome::kBeforeCall:
    case StepOutcome::kRefused: {
      // The instruction itself makes the stop that is to be reported.
      Next next = TRY(Resume());
      if (next == Next::kEnd) return next;
      break;
    }
  }
  outcome_.status = status_;
  return End(Kind::kStopped);
}

void Search::LearnFrom(const Registers& registers) {
  if (!last_seen_) {
    for (size_t word = 0; word < std::size(registers.words); ++word) {
      if (machine::MayCompareFirst(word)) telling_.push_back(word);
    }
  }
  std::erase_if(telling_,
                [&](size_t word) { return registers.words[word] == mark_.registers.words[word]; });
  if (last_seen_) {
    std::stable_partition(telling_.begin(), telling_.end(), [&](size_t word) {
      return registers.words[word] != last_seen_->words[word];
    });
  }
  last_seen_ = registers;
}

std::optional<size_t> Search::TellingWord() const {
  if (telling_.empty()) return std::nullopt;
  return telling_.front();
}

// From the marked instruction to the next, nothing being patched.
Result<Search::Next> Search::StepOff() {
  while (Pc(registers_) == site_) {
    StepOutcome outcome = TRY(stepper_.StepWhole(registers_));
    Next next = TRY(StopOf(outcome));
    if (next == Next::kEnd) return next;
    // Stepped, and there again at once: a passing of its own.
    if (outcome == StepOutcome::kStepped) break;
  }
  return Next::kGoOn;
}

Result<Search::Next> Search::PassByBreakpoint() {
  Next next = TRY(StepOff());
  if (next == Next::kEnd) return next;
  if (Pc(registers_) != site_) {
    next = TRY(RaiseGuard());
    if (next == Next::kEnd) return next;
    CodePatch breakpoint = TRY(CodePatch::PutBreakpoint(memory_, site_));
    next = TRY(Resume());
    if (status_.gone()) return next;
    TRY(breakpoint.Remove(memory_));
    if (next == Next::kEnd) return next;
    if (IsTrap() && Pc(registers_) == site_ + machine::BreakpointPcOffset()) {
      TRY(MoveTo(site_));
    } else if (IsGuards()) {
      next = TRY(LetWrite());
      if (next == Next::kEnd || Pc(registers_) != site_) return next;
    } else {
      outcome_.status = status_;
      return End(Kind::kStopped);
    }
  }
  ++outcome_.passings;
  if (TRY(IsHere())) return End(Kind::kMatched);
  LearnFrom(registers_);
  return Next::kGoOn;
}

// The task is at the marked instruction, which doesn't match.
Result<Search::Next> Search::TryTrampoline() {
  TRY(alarm_.Silence());
  Result<CompareTrampoline> made =
      CompareTrampoline::Install(pid_, memory_, mark_, words_, registers_, TellingWord());
  if (!made.ok()) {
    if (IsGone(made.error())) return made.TakeError();
    no_trampoline_ = true;
    return Next::kGoOn;
  }
  trampoline_ = made.TakeValue();
  outcome_.in_process = true;
  TRY(MoveTo(trampoline_->resume_pc()));
  return Next::kGoOn;
}

// The task branched to an instruction that the jump covers, and trapped there.
Result<Search::Next> Search::LeaveMiddle() {
  ++landings_;
  TRY(trampoline_->Disarm(memory_));
  do {
    StepOutcome outcome = TRY(stepper_.StepWhole(registers_));
    Next next = TRY(StopOf(outcome));
    if (next == Next::kEnd) return next;
  } while (trampoline_->IsInMiddle(Pc(registers_)));
  return PutJumpBack();
}

// The task was stopped for a reason of ours somewhere in the comparison: to where its registers are
// the program's again. The comparison has no loops.
Status Search::LeaveTrampoline() {
  for (size_t i = 0; i < machine::kMaxCompareCode && trampoline_->IsInside(Pc(registers_)); ++i) {
    StepOutcome outcome = TRY(stepper_.Step(registers_));
    if (outcome == StepOutcome::kRefused) {  // it would say "equal"
      SetPc(registers_, site_);
      break;
    }
    if (outcome == StepOutcome::kStopped && stepper_.status().gone()) return {};
  }
  SetPc(registers_, trampoline_->OriginalPc(Pc(registers_)));
  return {};
}

// The task is about to write to the code around the jump, or to data beside it.
Result<Search::Next> Search::WriteUnderTrampoline() {
  SetPc(registers_, trampoline_->OriginalPc(Pc(registers_)));
  TRY(trampoline_->Disarm(memory_));
  Next next = TRY(LetWrite());
  return next == Next::kEnd ? next : PutJumpBack();
}

Result<Search::Next> Search::PutJumpBack() {
  if (!trampoline_->IsOf(memory_)) {
    outcome_.passings += trampoline_->Passings(memory_);
    TRY(trampoline_->Unmap(pid_, memory_, registers_));
    trampoline_.reset();
  }
  bool at_site = Pc(registers_) == site_;
  if (at_site) {
    ++outcome_.passings;
    if (TRY(IsHere())) return End(Kind::kMatched);
  }
  if (!trampoline_) return Next::kGoOn;
  TRY(trampoline_->Arm(memory_));
  if (at_site) TRY(MoveTo(trampoline_->resume_pc()));
  return Next::kGoOn;
}

Result<Search::Next> Search::RunTrampoline() {
  Next next = TRY(RaiseGuard());
  if (next == Next::kEnd) return next;
  next = TRY(Resume());
  if (next == Next::kEnd) return next;
  if (IsGuards()) return WriteUnderTrampoline();
  uint64_t pc = Pc(registers_);
  if (status_.kind() == StopKind::kSignal) {
    if (IsTrap() && trampoline_->IsMatch(pc)) {
      SetPc(registers_, site_);
      // Where the program can write, the jump would be a difference.
      if (guard_.is_needed()) TRY(trampoline_->Disarm(memory_));
      if (TRY(IsHere())) return End(Kind::kMatched);
      if (guard_.is_needed()) TRY(trampoline_->Arm(memory_));
      TRY(MoveTo(trampoline_->resume_pc()));
      return Next::kGoOn;
    }
    if (trampoline_->IsInMiddle(pc)) return LeaveMiddle();
    if (trampoline_->IsUnreadableWord(pc)) {
      TRY(MoveTo(trampoline_->mismatch_pc()));
      return Next::kGoOn;
    }
  }
  SetPc(registers_, trampoline_->OriginalPc(pc));
  outcome_.status = status_;
  return End(Kind::kStopped);
}

Result<MatchOutcome> Search::Run() {
  TRY(ptracer::GetRegisters(pid_, registers_));
  Next next = TRY(IsHere()) ? End(Kind::kMatched) : Next::kGoOn;
  if (next == Next::kGoOn) guard_ = TRY(CodeGuard::For(pid_, site_, kMostPatched));
  while (next == Next::kGoOn) {
    if (alarm_.heard()) {
      outcome_.kind = Kind::kLimit;
      break;
    }
    alarm_.Start();
    if (trampoline_ && landings_ > kMostLandings) {
      outcome_.passings += trampoline_->Passings(memory_);
      // Behind a landing the task is in the program's own code, or at the moved instruction.
      SetPc(registers_, trampoline_->OriginalPc(Pc(registers_)));
      TRY(alarm_.Silence());
      TRY(trampoline_->Remove(pid_, memory_, registers_));
      trampoline_.reset();
      no_trampoline_ = true;
    }
    bool at_site = Pc(registers_) == site_;
    if (!trampoline_ && at_site && !no_trampoline_ && !options_.breakpoints_only &&
        outcome_.passings >= options_.breakpoint_passings) {
      next = TRY(TryTrampoline());
    } else {
      next = trampoline_ ? TRY(RunTrampoline()) : TRY(PassByBreakpoint());
    }
  }
  if (!status_.gone()) TRY(alarm_.Silence());
  if (trampoline_ && !status_.gone()) {
    outcome_.passings += trampoline_->Passings(memory_);
    if (outcome_.kind == Kind::kLimit) TRY(LeaveTrampoline());
    TRY(trampoline_->Remove(pid_, memory_, registers_));
  }
  if (!status_.gone()) TRY(guard_.Lower(memory_, registers_));
  outcome_.registers = registers_;
  outcome_.candidates = comparison_.candidates();
  return outcome_;
}

}  // namespace

Result<MatchOutcome> RunToState(pid_t pid, TaskMemory& memory, const StateMark& mark,
                                const MatchOptions& options) {
  return Search(pid, memory, mark, options).Run();
}

}  // namespace retake
