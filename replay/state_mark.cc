// Taking marks: the recording's half of state_match.h.
#include <xxhash.h>

#include <algorithm>
#include <map>

#include "replay/state_comparison.h"
#include "replay/state_match.h"
#include "tracee/remote_calls.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

// How many words that a stretch of steps may have written are followed.
constexpr size_t kMostFollowed = 64;
constexpr uint64_t kWordBytes = sizeof(uint64_t);
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

  // Whether a jump over the instruction at `pc` would cover no place that was branched to, and the
  // code there can be moved.
  bool IsGoodSite(uint64_t pc) const {
    uint64_t end = pc + machine::JumpBytes();
    bool covers = std::any_of(targets_.begin(), targets_.end(),
                              [&](uint64_t target) { return target > pc && target < end; });
    if (covers) return false;
    uint8_t code[4 * machine::kMaxInstruction];
    size_t got = memory_.ReadSome(pc, code, sizeof code);
    return machine::MoveCode(pc, ByteSpan(code, got), machine::JumpBytes(), pc).ok();
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
}

uint64_t HashStackPage(const TaskMemory& memory, const Registers& registers) {
  std::vector<uint8_t> page(kStackPageBytes);
  uint64_t address = Sp(registers) & ~(kStackPageBytes - 1);
  if (!memory.Read(address, page.data(), page.size())) return 0;
  return XXH3_64bits(page.data(), page.size());
}

Result<MarkOutcome> StateMarker::Mark(pid_t pid, const TaskMemory& memory, uint32_t steps) {
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
    if (step >= steps && probe.closed() && probe.IsGoodSite(pc)) break;
    machine::InstructionInfo info = stepper.InfoAt(pc);
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
  mark.registers = registers;
  TRY(ptracer::GetVector(pid, mark.vector));
  mark.stack_hash = HashStackPage(memory, registers);
  mark.memory = TRY(DigestWritableMemory(pid, memory));
  return outcome;
}

}  // namespace retake
