#include "snapshot/write_runs.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kReadAtOnce = 1 << 20;

// Pieces of the runs in their order, read and divided by a thread while earlier ones are in use.
class ReadAhead {
 public:
  struct Piece {
    uint64_t start = 0;
    size_t size = 0;  // bytes read; 0: the page at `start` can't be
    bool skip_zeros = false;
    std::vector<uint8_t> bytes;
    std::vector<PageUnit> units;
  };

  ReadAhead(const TaskMemory& source, std::span<const RunToWrite> runs,
            const CheckpointWriter& writer)
      : source_(source), runs_(runs), writer_(writer), thread_([this] { ReadAll(); }) {}
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // The next piece, valid until the next call; null at the end.
  const Piece* Next() {
    std::unique_lock lock(mutex_);
    if (in_use_) ++taken_;
    in_use_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return taken_ < read_ || finished_; });
    return taken_ < read_ ? &pieces_[taken_ % pieces_.size()] : nullptr;
  }

 private:
  void ReadAll() {
    for (const RunToWrite& wanted : runs_) {
      for (uint64_t at = wanted.run.start; at < wanted.run.end;) {
        Piece* piece = AwaitRoom();
        if (piece == nullptr) return;
        piece->bytes.resize(kReadAtOnce);
        uint64_t size = std::min(wanted.run.end - at, kReadAtOnce);
        size_t got = source_.ReadSome(at, piece->bytes.data(), size) / kPageSize * kPageSize;
        piece->start = at;
        piece->size = got;
        piece->skip_zeros = wanted.skip_zeros;
        piece->units = writer_.Divide(ByteSpan(piece->bytes).first(got));
        at += got == 0 ? kPageSize : got;
        std::lock_guard lock(mutex_);
        ++read_;
        changed_.notify_all();
      }
    }
    std::lock_guard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
  }

  Piece* AwaitRoom() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || read_ - taken_ < pieces_.size(); });
    return stopping_ ? nullptr : &pieces_[read_ % pieces_.size()];
  }

  const TaskMemory& source_;
  std::span<const RunToWrite> runs_;
  const CheckpointWriter& writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Piece, 4> pieces_;
  size_t read_ = 0, taken_ = 0;  // pieces so far
  bool in_use_ = false, finished_ = false, stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

Status WriteRuns(const TaskMemory& source, std::span<const RunToWrite> runs,
                 CheckpointWriter& writer, std::vector<PageRange>& pages,
                 std::vector<PageRun>& unreadable) {
  ReadAhead pieces(source, runs, writer);
  while (const ReadAhead::Piece* piece = pieces.Next()) {
    if (piece->size > 0) {
      TRY(writer.AddPages(piece->start, ByteSpan(piece->bytes).first(piece->size), piece->units,
                          piece->skip_zeros, pages));
      continue;
    }
    if (unreadable.empty() || unreadable.back().end != piece->start)
      unreadable.push_back({piece->start, piece->start});
    unreadable.back().end = piece->start + kPageSize;
  }
  return {};
}

}  // namespace retake
