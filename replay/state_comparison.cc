#include "replay/state_comparison.h"

#include "tracee/remote_calls.h"

namespace retake {
namespace {

std::vector<uint8_t> Comparable(std::vector<uint8_t> vector) {
  machine::MakeVectorComparable(vector);
  return vector;
}

}  // namespace

StateComparison::StateComparison(pid_t pid, const TaskMemory& memory, const StateMark& mark)
    : pid_(pid),
      memory_(memory),
      mark_(mark),
      registers_(machine::Comparable(mark.registers)),
      vector_(Comparable(mark.vector)) {}

bool StateComparison::RegistersEqual(const Registers& registers) const {
  return Pc(registers) == Pc(registers_) && machine::Comparable(registers) == registers_;
}

Result<bool> StateComparison::RestEqual(const Registers& registers) {
  ++candidates_;
  std::vector<uint8_t> vector;
  TRY(ptracer::GetVector(pid_, vector));
  if (Comparable(std::move(vector)) != vector_) return false;
  for (const machine::WordValue& word : mark_.words) {
    uint64_t value = 0;
    if (!memory_.ReadValue(word.address, &value) || value != word.value) return false;
  }
  if (HashStackPage(memory_, registers) != mark_.stack_hash) return false;
  if (telling_bucket_) {
    uint32_t bucket = TRY(DigestBucket(pid_, memory_, *telling_bucket_));
    if (bucket != mark_.memory.buckets[*telling_bucket_]) return false;
  }
  MemoryDigest digest = TRY(DigestWritableMemory(pid_, memory_));
  if (digest == mark_.memory) return true;
  for (size_t i = 0; i < MemoryDigest::kBuckets; ++i) {
    if (digest.buckets[i] != mark_.memory.buckets[i]) telling_bucket_ = i;
  }
  return false;
}

}  // namespace retake
