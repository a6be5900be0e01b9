// What the fuzzers share. A property that doesn't hold ends the process, which libFuzzer reports
// with the input.
#ifndef RETAKE_TESTS_FUZZ_FUZZING_H_
#define RETAKE_TESTS_FUZZ_FUZZING_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "archive/archive.h"
#include "archive/format.h"
#include "base/bytes.h"

namespace retake {

inline void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "property does not hold: %s\n", what);
  abort();
}

// Makes the checksums in what may be an archive right, so that a fuzzer's changes are seen by what
// lies behind them.
inline void FixChecksums(std::vector<uint8_t>& bytes) {
  using namespace archive_format;
  if (bytes.size() < kArchiveHeaderBytes) return;
  Put<uint64_t>(bytes.data() + kHeaderChecksumOffset,
                Checksum(ByteSpan(bytes).first(kHeaderChecksumOffset), 0));
  size_t at = kArchiveHeaderBytes;
  while (bytes.size() - at >= kSectionHeaderBytes) {
    uint64_t stored = Get<uint32_t>(bytes.data() + at + kStoredSizeOffset);
    if (stored > bytes.size() - at - kSectionHeaderBytes) return;
    ByteSpan section = ByteSpan(bytes).subspan(at, kSectionHeaderBytes + stored);
    Put<uint64_t>(bytes.data() + at, Checksum(section.subspan(sizeof(uint64_t)), at));
    at += section.size();
  }
}

}  // namespace retake

#endif  // RETAKE_TESTS_FUZZ_FUZZING_H_
