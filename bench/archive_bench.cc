// What a section of an archive costs to write and to read back, compressed and stored as it is.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"
#include "archive/archive.h"

namespace retake {
namespace {

constexpr size_t kSectionBytes = 1 << 20;
constexpr uint16_t kKind = 1;

// Bytes about as regular as encoded events: words that repeat with small changes.
std::vector<uint8_t> Payload() {
  std::vector<uint8_t> bytes(kSectionBytes);
  uint32_t random = 1;
  for (size_t i = 0; i < bytes.size(); ++i) {
    random = random * 1664525 + 1013904223;
    bytes[i] = i % 8 < 6 ? static_cast<uint8_t>(i / 64) : static_cast<uint8_t>(random >> 28);
  }
  return bytes;
}

Result<std::unique_ptr<ArchiveWriter>> NewArchive(int* fd) {
  Fd file(memfd_create("bench", MFD_CLOEXEC));
  if (!file) return ErrnoError("memfd_create");
  *fd = file.get();
  return ArchiveWriter::Create(std::move(file), "bench", ArchiveContent::kEvents,
                               static_cast<uint8_t>(HostArch().id));
}

// Argument: the zstd level; -100 for none.
void WriteSection(benchmark::State& state) {
  const std::vector<uint8_t> payload = Payload();
  const int level = state.range(0) == -100 ? kStoreOnly : static_cast<int>(state.range(0));
  uint64_t stored = 0, written = 0;
  while (state.KeepRunningBatch(64)) {
    int fd = -1;
    Result<std::unique_ptr<ArchiveWriter>> archive = NewArchive(&fd);
    if (!archive.ok()) {
      state.SkipWithError("no archive");
      return;
    }
    for (int i = 0; i < 64; ++i) {
      if (!(*archive)->Append(kKind, payload, level).ok()) {
        state.SkipWithError("append failed");
        return;
      }
    }
    stored += (*archive)->size();
    written += 64 * kSectionBytes;
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(kSectionBytes));
  state.counters["ratio"] = static_cast<double>(written) / static_cast<double>(stored ? stored : 1);
}
BENCHMARK(WriteSection)->Arg(-100)->Arg(1)->Arg(3)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace retake
