#include "snapshot/write_runs.h"

#include <unistd.h>

#include <algorithm>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

uint64_t SizeOf(const PageRun& run) { return run.end - run.start; }

// Runs, cut where they are too long for a piece, and together where they are short.
class Runs : public PageSource {
 public:
  Runs(std::span<const RunToWrite> runs, const TaskMemory* source) : source_(source) {
    uint64_t room = 0;
    for (const RunToWrite& wanted : runs) {
      uint64_t size = 0;
      for (uint64_t offset = 0; offset < SizeOf(wanted.run); offset += size) {
        size = std::min(SizeOf(wanted.run) - offset, kPagesAtOnce);
        if (size > room) {
          first_.push_back(runs_.size());
          room = kPagesAtOnce;
        }
        uint64_t start = wanted.run.start + offset;
        runs_.push_back({{start, start + size},
                         wanted.skip_zeros,
                         wanted.bytes == nullptr ? nullptr : wanted.bytes + offset});
        room -= size;
      }
    }
    unreadable_.resize(first_.size());
  }

  size_t pieces() const override { return first_.size(); }

  Status Read(size_t piece, std::vector<uint8_t>& room, std::vector<Stretch>& out) override {
    size_t end = piece + 1 < first_.size() ? first_[piece + 1] : runs_.size();
    room.resize(kPagesAtOnce);
    uint8_t* free = room.data();
    for (size_t i = first_[piece]; i < end; ++i) {
      const RunToWrite& wanted = runs_[i];
      if (wanted.bytes != nullptr) {
        out.push_back({wanted.run.start, {wanted.bytes, SizeOf(wanted.run)}, wanted.skip_zeros});
        continue;
      }
      for (uint64_t at = wanted.run.start; at < wanted.run.end;) {
        size_t got = source_->ReadSome(at, free, wanted.run.end - at) / kPageSize * kPageSize;
        if (got > 0) out.push_back({at, {free, got}, wanted.skip_zeros});
        if (got == 0) AddRun(at, at + kPageSize, unreadable_[piece]);
        free += got;
        at += got == 0 ? kPageSize : got;
      }
    }
    return {};
  }

  void TellUnreadable(std::vector<PageRun>& out) const {
    for (const std::vector<PageRun>& of_piece : unreadable_) {
      for (const PageRun& run : of_piece) AddRun(run.start, run.end, out);
    }
  }

 private:
  const TaskMemory* source_;
  std::vector<RunToWrite> runs_;
  std::vector<size_t> first_;  // of each piece's
  std::vector<std::vector<PageRun>> unreadable_;
};

}  // namespace

Status WriteRuns(std::span<const RunToWrite> runs, const TaskMemory* source,
                 CheckpointWriter& writer, std::vector<PageRange>& pages,
                 std::vector<PageRun>& unreadable) {
  Runs pieces(runs, source);
  TRY(writer.AddPages(pieces, pages));
  pieces.TellUnreadable(unreadable);
  return {};
}

}  // namespace retake
