// Taking marks: the recording's half of state_match.h.
#include <xxhash.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "replay/changing_words.h"
#include "replay/state_comparison.h"
#include "replay/state_match.h"
#include "tracee/remote_calls.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

// How many words that a stretch of steps may have written are followed.
constexpr size_t kMostFollowed = 64;
constexpr uint64_t kWordBytes = sizeof(uint64_t);
// ms: what changes is looked at again after so long, ...
constexpr int64_t kWatchPeriod = 100;
// ... and before, if it doesn't change any more; but not sooner than so many times what it took.
constexpr int64_t kWatchPart = 5;
constexpr int kWatched = 1;         // ms
constexpr int kStopBound = 10'000;  // ms
// Steps after which no round is waited for, and for how many more than asked an ideal place is.
constexpr uint32_t kLongRound = 160;
constexpr uint32_t kSearchIdeal = 48;
static_assert(kLongRound < StateMarker::kMostSteps);
// How many places are remembered.
constexpr size_t kMostSites = 256;

using Words = std::vector<machine::WordValue>;

// Reads the words again. Those that can't be read are left out.
Words Refresh(const TaskMemory& memory, const Words& words) {
  Words out;
  for (machine::WordValue word : words) {
    if (memory.ReadValue(word.address, &word.value)) out.push_back(word);
  }
  return out;
}

// Words around the stack pointer, where unoptimised code keeps what its loops count: an outer
// loop's counter doesn't change in the rounds that were stepped, and tells passings apart all the
// same.
void AddStackWords(const TaskMemory& memory, const Registers& registers, Words& words) {
  constexpr int64_t kBelow = 8;  // words: as much of the red zone as small functions use
  uint64_t sp = Sp(registers) & ~(kWordBytes - 1);
  for (int64_t at = -kBelow; words.size() < machine::kMaxComparedWords && at < kBelow; ++at) {
    machine::WordValue word;
    word.address = sp + static_cast<uint64_t>(at) * kWordBytes;
    bool there = std::any_of(words.begin(), words.end(), [&](const machine::WordValue& other) {
      return other.address == word.address;
    });
    if (!there && memory.ReadValue(word.address, &word.value)) words.push_back(word);
  }
}

// The stack from just below its pointer on.
WordRun StackAt(const TaskMemory& memory, const Registers& registers) {
  constexpr uint64_t kBelow = 16, kWords = 512;
  WordRun run;
  run.address = (Sp(registers) & ~(kWordBytes - 1)) - kBelow * kWordBytes;
  run.values.resize(kBelow + kWords);
  size_t got = memory.ReadSome(run.address, run.values.data(), run.values.size() * kWordBytes);
  run.values.resize(got / kWordBytes);
  return run;
}

// What is learned from the instructions before a mark.
class Probe {
 public:
  Probe(const TaskMemory& memory, uint64_t start) : memory_(memory), start_(start) {}

  void BeforeStep(const machine::InstructionInfo& info, const Registers& registers) {
    for (int i = 0; i < info.write_count && followed_.size() < kMostFollowed; ++i) {
      uint64_t address = info.writes[i].AddressIn(registers) & ~(kWordBytes - 1);
      uint64_t value = 0;
      if (followed_.contains(address) || !memory_.ReadValue(address, &value)) continue;
      followed_[address] = value;
    }
  }
  void AfterStep(uint64_t from, size_t length, uint64_t to) {
    if (to != from + length) targets_.push_back(to);
    if (to != start_) return;
    // A round is closed: what has changed since its beginning tells passings apart. What only the
    // round itself uses (return addresses, spilled registers) is as it was.
    closed_ = true;
    changed_ = ChangedWords();
  }

  bool closed() const { return closed_; }
  // Words that tell passings of one place apart, as they are now.
  Words TellingWords() const { return closed_ ? Refresh(memory_, changed_) : ChangedWords(); }

  // How well a jump can be put over the instruction at `pc`.
  enum class Site : uint8_t {
    kBad,    // it covers a place that was branched to, or code that can't be moved
    kGood,   // it covers instructions behind it, to which some branch may lead after all
    kIdeal,  // it covers no other instruction
  };
  Site SiteAt(uint64_t pc, size_t length) const {
    uint64_t end = pc + machine::JumpBytes();
    bool covers = std::any_of(targets_.begin(), targets_.end(),
                              [&](uint64_t target) { return target > pc && target < end; });
    if (covers) return Site::kBad;
    uint8_t code[4 * machine::kMaxInstruction];
    size_t got = memory_.ReadSome(pc, code, sizeof code);
    auto moves_to = [&](uint64_t to) {
      return machine::MoveCode(pc, ByteSpan(code, got), machine::JumpBytes(), to).ok();
    };
    // A gap is to be found there.
    uint64_t far = machine::JumpReach() / 4;
    if (!moves_to(pc + far) || !moves_to(pc - far)) return Site::kBad;
    return length >= machine::JumpBytes() ? Site::kIdeal : Site::kGood;
  }

 private:
  Words ChangedWords() const {
    Words words;
    for (const auto& [address, before] : followed_) {
      uint64_t value = 0;
      if (!memory_.ReadValue(address, &value) || value == before) continue;
      words.push_back({address, value});
      if (words.size() == machine::kMaxComparedWords) break;
    }
    return words;
  }

  const TaskMemory& memory_;
  uint64_t start_;
  bool closed_ = false;
  std::map<uint64_t, uint64_t> followed_;
  Words changed_;
  std::vector<uint64_t> targets_;
};

}  // namespace

void EncodeMark(const StateMark& mark, ByteWriter& out) {
  out.U64(mark.stack_hash);
  out.Varint(mark.words.size());
  for (const machine::WordValue& word : mark.words) {
    out.U64(word.address);
    out.U64(word.value);
  }
  out.U64(mark.memory.total);
  for (uint32_t bucket : mark.memory.buckets) out.U32(bucket);
  out.Varint(mark.surroundings.size());
  for (const WordRun& run : mark.surroundings) {
    out.U64(run.address);
    out.Varint(run.values.size());
    for (uint64_t value : run.values) out.U64(value);
  }
}

void DecodeMark(ByteReader& in, StateMark& mark) {
  mark.stack_hash = in.U64();
  uint64_t count = in.Count(2 * sizeof(uint64_t));
  if (count > machine::kMaxComparedWords) return in.Fail();
  mark.words.resize(count);
  for (machine::WordValue& word : mark.words) {
    word.address = in.U64();
    word.value = in.U64();
    // Compared by an instruction that wants it so, in the husk.
    if (word.address % kWordBytes != 0) return in.Fail();
  }
  mark.memory.total = in.U64();
  for (uint32_t& bucket : mark.memory.buckets) bucket = in.U32();
  mark.surroundings.clear();
  if (in.AtEnd()) return;  // a trace of before there were any
  mark.surroundings.resize(in.Count(sizeof(uint64_t)));
  for (WordRun& run : mark.surroundings) {
    run.address = in.U64();
    run.values.resize(in.Count(sizeof(uint64_t)));
    for (uint64_t& value : run.values) value = in.U64();
    if (run.address % kWordBytes != 0) return in.Fail();
  }
}

uint64_t HashStackPage(const TaskMemory& memory, const Registers& registers) {
  std::vector<uint8_t> page(kStackPageBytes);
  uint64_t address = Sp(registers) & ~(kStackPageBytes - 1);
  if (!memory.Read(address, page.data(), page.size())) return 0;
  return XXH3_64bits(page.data(), page.size());
}

Result<std::optional<MarkOutcome>> StateMarker::Compute(pid_t pid, ResumeKind resume) {
  TRY(ptracer::Resume(pid, resume));
  MarkOutcome other;
  other.kind = MarkOutcome::Kind::kStopped;
  auto stop = TRY(ptracer::WaitOne(pid, kWatched));
  if (!stop) {
    TRY(ptracer::Interrupt(pid));
    stop = TRY(ptracer::WaitOne(pid, kStopBound));
    if (!stop) return Error(ETIMEDOUT, "a task that computes doesn't stop", pid);
    if (stop->kind() == StopKind::kEventStop) {
      Registers registers;
      TRY(ptracer::GetRegisters(pid, registers));
      bool computes = static_cast<int64_t>(machine::SyscallNumber(registers)) < 0;
      if (computes) return std::optional<MarkOutcome>();
    } else {
      other.trap_pending = true;
    }
  }
  other.status = *stop;
  return std::optional(std::move(other));
}

Result<std::optional<MarkOutcome>> StateMarker::Watch(pid_t pid, const TaskMemory& memory,
                                                      ResumeKind resume) {
  int64_t begin = MonotonicMilliseconds();
  ChangingWords words;
  TRY(words.Begin(pid, memory));
  if (auto other = TRY(Compute(pid, resume))) return other;
  TRY(words.KeepChanged(pid, memory));
  if (auto other = TRY(Compute(pid, resume))) return other;
  if (changing_.size() >= kMostSites) changing_.clear();
  Changing& changing = changing_[pid];
  changing.addresses = words.Find(memory);
  changing.words.clear();
  changing.watched_at = MonotonicMilliseconds();
  changing.cost = changing.watched_at - begin;
  return std::optional<MarkOutcome>();
}

bool StateMarker::IsStale(const Changing& changing, const TaskMemory& memory) {
  int64_t age = MonotonicMilliseconds() - changing.watched_at;
  if (age < kWatchPart * changing.cost) return false;
  if (age >= kWatchPeriod) return true;
  size_t same = 0;
  for (const WordRun& run : changing.words) {
    std::vector<uint64_t> now(run.values.size());
    if (!memory.Read(run.address, now.data(), now.size() * kWordBytes)) continue;
    for (size_t i = 0; i < now.size(); ++i) same += now[i] == run.values[i] ? 1 : 0;
  }
  return 2 * same >= changing.addresses.size();
}

Result<MarkOutcome> StateMarker::Mark(pid_t pid, const TaskMemory& memory, uint32_t steps,
                                      std::optional<ResumeKind> watched) {
  if (steps > 0 && watched && IsStale(changing_[pid], memory)) {
    if (auto other = TRY(Watch(pid, memory, *watched))) return std::move(*other);
  }
  MarkOutcome outcome;
  Registers& registers = outcome.registers;
  StateMark& mark = outcome.mark;
  TRY(ptracer::GetRegisters(pid, registers));
  Stepper stepper(pid, memory);
  Probe probe(memory, Pc(registers));
  // An interrupt may have come between two rounds of a repeated instruction.
  bool inside = stepper.InfoAt(Pc(registers)).repeats;
  bool known = false;
  for (uint32_t step = 0; inside || (steps > 0 && step < kMostSteps); ++step) {
    uint64_t pc = Pc(registers);
    if (auto site = sites_.find(pc); !inside && steps > 0 && site != sites_.end()) {
      mark.words = Refresh(memory, site->second);
      // Words that haven't moved since the last time are those of another call of this code.
      known = mark.words != site->second;
      if (known) break;
    }
    machine::InstructionInfo info = stepper.InfoAt(pc);
    if (step >= steps && (probe.closed() || step >= kLongRound)) {
      Probe::Site site = probe.SiteAt(pc, info.length);
      bool will_do = probe.closed() && step >= steps + kSearchIdeal;
      if (site == Probe::Site::kIdeal || (site == Probe::Site::kGood && will_do)) break;
    }
    probe.BeforeStep(info, registers);
    StepOutcome stepped = TRY(stepper.StepWhole(registers));
    if (stepped == StepOutcome::kRefused) break;  // it can run to here, if not beyond
    if (stepped == StepOutcome::kBeforeCall) {
      outcome.kind = MarkOutcome::Kind::kBeforeCall;
      return outcome;
    }
    if (stepped == StepOutcome::kStopped) {
      outcome.kind = MarkOutcome::Kind::kStopped;
      outcome.status = stepper.status();
      return outcome;
    }
    probe.AfterStep(pc, info.length, Pc(registers));
    inside = false;
  }
  if (!known) mark.words = probe.TellingWords();
  if (steps > 0 && probe.closed()) {
    if (sites_.size() >= kMostSites) sites_.clear();
    sites_[Pc(registers)] = mark.words;
  } else if (known) {
    sites_[Pc(registers)] = mark.words;
  }
  AddStackWords(memory, registers, mark.words);
  if (auto changing = changing_.find(pid); changing != changing_.end()) {
    mark.surroundings = ReadWords(memory, changing->second.addresses);
    changing->second.words = mark.surroundings;
  }
  mark.surroundings.push_back(StackAt(memory, registers));
  mark.registers = registers;
  TRY(ptracer::GetVector(pid, mark.vector));
  mark.stack_hash = HashStackPage(memory, registers);
  mark.memory = TRY(DigestWritableMemory(pid, memory));
  return outcome;
}

}  // namespace retake
