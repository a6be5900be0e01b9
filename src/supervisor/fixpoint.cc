#include "supervisor/fixpoint.h"

#include <algorithm>
#include <map>
#include <optional>

#include "arch/code.h"
#include "arch/hash.h"
#include "tracee/ptrace.h"
#include "tracee/remote_calls.h"
#include "tracee/stepper.h"
#include "tracee/writable_memory.h"

namespace retake {
namespace {

// A round that writes to more words than this is a computation, not a wait.
constexpr size_t kMostWords = 8192;
constexpr uint64_t kWordBytes = sizeof(uint64_t);

using Kind = SpinVerdict::Kind;

// By (pc, then the other registers in their order): what "least" means of a round's states.
bool Less(const Registers& one, const Registers& other) {
  uint64_t one_pc = Pc(one);
  uint64_t other_pc = Pc(other);
  return one_pc != other_pc ? one_pc < other_pc : one.words < other.words;
}

// The words of memory that have been written since some instant, with what they held then.
class WrittenWords {
 public:
  explicit WrittenWords(const TaskMemory& memory) : memory_(memory) {}

  void Clear() { words_.clear(); }
  // To be called before the instruction is executed.
  void AboutToWrite(const machine::InstructionInfo& info, const Registers& registers) {
    for (int i = 0; i < info.write_count; ++i) {
      uint64_t address = info.writes[i].AddressIn(registers);
      uint64_t first = address & ~(kWordBytes - 1);
      uint64_t count = (address + info.writes[i].size - first + kWordBytes - 1) / kWordBytes;
      for (uint64_t n = 0; n < count; ++n) {
        auto [place, added] = words_.try_emplace(first + n * kWordBytes);
        if (added) place->second = Read(place->first);
      }
    }
  }
  bool TooMany() const { return words_.size() > kMostWords; }
  bool AreAsTheyWere() const {
    return std::all_of(words_.begin(), words_.end(),
                       [&](const auto& word) { return Read(word.first) == word.second; });
  }
  uint64_t HashOfPresent() const {
    std::vector<uint64_t> values;
    for (const auto& [address, before] : words_) values.push_back(Read(address).value_or(0));
    return HashOf64(
        {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof values[0]});
  }

 private:
  // nullopt where there is no memory (yet: a stack grows).
  std::optional<uint64_t> Read(uint64_t address) const {
    uint64_t value = 0;
    if (!memory_.ReadValue(address, &value)) return std::nullopt;
    return value;
  }

  const TaskMemory& memory_;
  std::map<uint64_t, std::optional<uint64_t>> words_;
};

// One call of Park.
class Search {
 public:
  Search(pid_t pid, const TaskMemory& memory)
      : pid_(pid), memory_(memory), stepper_(pid, memory), words_(memory) {}

  // `first_round`: a round's length to try first; 0 if none is known.
  Result<SpinVerdict> Run(uint32_t budget, uint32_t first_round);
  SpinDetector::Site site() const { return {low_pc_, high_pc_, verdict_.period}; }

 private:
  // Makes the present state the one to return to.
  Status SetAnchor();
  // Executes one instruction. False if that wasn't possible: the verdict says why.
  Result<bool> Step();
  Result<bool> AtAnchor();
  void ConsiderLeast();
  Result<SpinVerdict> WalkToLeast();
  // Of a state whose registers are the least, but which a round passes several times: what tells
  // one passing from another.
  Result<std::pair<uint64_t, uint64_t>> KeyOfPassing();
  SpinVerdict End(Kind kind) {
    verdict_.kind = kind;
    verdict_.registers = registers_;
    return verdict_;
  }

  pid_t pid_;
  const TaskMemory& memory_;
  Stepper stepper_;
  SpinVerdict verdict_;
  Registers registers_;
  Registers comparable_;

  // The anchor, and what happened since.
  Registers anchor_;
  std::vector<uint8_t> anchor_vector_;
  WrittenWords words_;
  bool by_digest_ = false;  // an instruction wrote who knows where
  MemoryDigest anchor_digest_;
  uint32_t since_ = 0;
  uint64_t low_pc_ = 0, high_pc_ = 0;
  // The least state since the anchor; `least_at_` steps behind it, and how often it came.
  Registers least_;
  uint32_t least_at_ = 0;
  uint32_t least_times_ = 0;
  bool inside_instruction_ = false;  // between two rounds of a repeated instruction
};

Status Search::SetAnchor() {
  anchor_ = comparable_;
  TRY(ptracer::GetVector(pid_, anchor_vector_));
  machine::MakeVectorComparable(anchor_vector_);
  words_.Clear();
  if (by_digest_) anchor_digest_ = TRY(DigestWritableMemory(pid_, memory_));
  since_ = 0;
  low_pc_ = high_pc_ = Pc(comparable_);
  least_times_ = 0;
  return {};
}

Result<bool> Search::Step() {
  uint64_t pc = Pc(registers_);
  const machine::InstructionInfo info = stepper_.InfoAt(pc);
  words_.AboutToWrite(info, registers_);
  switch (TRY(stepper_.Step(registers_))) {
    case StepOutcome::kStepped:
      break;
    case StepOutcome::kBeforeCall:
      End(Kind::kBeforeCall);
      return false;
    case StepOutcome::kRefused:
      End(Kind::kNotProved);
      return false;
    case StepOutcome::kStopped:
      verdict_.status = stepper_.status();
      End(Kind::kStopped);
      return false;
  }
  ++verdict_.steps;
  ++since_;
  inside_instruction_ = info.repeats && Pc(registers_) == pc;
  comparable_ = machine::Comparable(registers_);
  low_pc_ = std::min(low_pc_, Pc(comparable_));
  high_pc_ = std::max(high_pc_, Pc(comparable_));
  if (info.unknown_writes && !by_digest_) {
    by_digest_ = true;
    TRY(SetAnchor());
  }
  return true;
}

void Search::ConsiderLeast() {
  // A replay can stop only where an instruction begins. The anchor itself comes again as the
  // round's last state.
  if (inside_instruction_ || since_ == 0) return;
  if (least_times_ == 0 || Less(comparable_, least_)) {
    least_ = comparable_;
    least_at_ = since_;
    least_times_ = 1;
  } else if (comparable_ == least_) {
    ++least_times_;
  }
}

Result<bool> Search::AtAnchor() {
  if (since_ == 0 || !(comparable_ == anchor_)) return false;
  if (by_digest_) {
    if (TRY(DigestWritableMemory(pid_, memory_)) != anchor_digest_) return false;
  } else if (!words_.AreAsTheyWere()) {
    return false;
  }
  std::vector<uint8_t> vector;
  TRY(ptracer::GetVector(pid_, vector));
  machine::MakeVectorComparable(vector);
  return vector == anchor_vector_;
}

Result<SpinVerdict> Search::Run(uint32_t budget, uint32_t first_round) {
  TRY(ptracer::GetRegisters(pid_, registers_));
  comparable_ = machine::Comparable(registers_);
  TRY(SetAnchor());
  // Brent's cycle detection: the anchor is set anew after 1, 2, 4 ... steps, so that it comes to
  // lie in the round, and soon stays for a whole round.
  uint32_t patience = 1;
  while (patience <= first_round) patience *= 2;
  while (verdict_.steps < budget) {
    if (since_ == patience) {
      patience *= 2;
      TRY(SetAnchor());
    }
    if (!TRY(Step())) return verdict_;
    ConsiderLeast();
    if (TRY(AtAnchor())) {
      if (least_times_ == 0) break;  // the round is one repeated instruction
      verdict_.period = since_;
      return WalkToLeast();
    }
    if (words_.TooMany()) break;
  }
  return End(Kind::kNotProved);
}

Result<std::pair<uint64_t, uint64_t>> Search::KeyOfPassing() {
  std::vector<uint8_t> vector;
  TRY(ptracer::GetVector(pid_, vector));
  machine::MakeVectorComparable(vector);
  uint64_t memory =
      by_digest_ ? TRY(DigestWritableMemory(pid_, memory_)).total : words_.HashOfPresent();
  return std::pair(HashOf64(vector), memory);
}

Result<SpinVerdict> Search::WalkToLeast() {
  const uint32_t period = verdict_.period;
  if (least_times_ > 1) {
    std::optional<std::pair<uint64_t, uint64_t>> least_key;
    for (uint32_t at = 1; at <= period; ++at) {
      if (!TRY(Step())) return verdict_;
      if (inside_instruction_ || !(comparable_ == least_)) continue;
      auto key = TRY(KeyOfPassing());
      if (least_key && key >= *least_key) continue;
      least_key = key;
      least_at_ = at;
    }
  }
  // The last state of the round is its first.
  const uint32_t left = least_at_ < period ? least_at_ : 0;
  for (uint32_t at = 0; at < left; ++at) {
    if (!TRY(Step())) return verdict_;
  }
  // Anything else means that the caller let somebody write.
  return End(comparable_ == least_ ? Kind::kParked : Kind::kNotProved);
}

}  // namespace

void SpinDetector::Remember(const Site& site) {
  std::erase_if(sites_, [&](const Site& known) {
    return known.low_pc == site.low_pc && known.high_pc == site.high_pc;
  });
  sites_.insert(sites_.begin(), site);
  if (sites_.size() > kMostSites) sites_.pop_back();
}

Result<SpinVerdict> SpinDetector::Park(pid_t pid, const TaskMemory& memory, uint32_t budget) {
  Registers registers;
  TRY(ptracer::GetRegisters(pid, registers));
  uint64_t pc = Pc(registers);
  auto known = std::find_if(sites_.begin(), sites_.end(), [&](const Site& site) {
    return site.low_pc <= pc && pc <= site.high_pc;
  });
  Search search(pid, memory);
  SpinVerdict verdict =
      TRY(search.Run(budget, known == sites_.end() || known->period > budget ? 0 : known->period));
  if (verdict.kind == Kind::kParked) Remember(search.site());
  return verdict;
}

}  // namespace retake
