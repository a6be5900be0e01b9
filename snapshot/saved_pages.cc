#include "snapshot/saved_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "snapshot/write_runs.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
constexpr uint64_t kLeastPiece = 8 << 20;
// Of huge pages on machines with pages of 4 KiB; elsewhere it is only a size.
constexpr uint64_t kAlignment = 2 << 20;

// <linux/mman.h>, Linux 5.14.
constexpr int kPopulateWrite = 23;

}  // namespace

PageRoom::~PageRoom() {
  for (std::span<uint8_t> piece : pieces_) munmap(piece.data(), piece.size());
}

Status PageRoom::AddPiece(uint64_t bytes) {
  uint64_t size = (std::max(bytes, kLeastPiece) + kAlignment - 1) / kAlignment * kAlignment;
  void* at = mmap(nullptr, size + kAlignment, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return ErrnoError("no memory to keep {} bytes in", bytes);
  auto start = reinterpret_cast<uintptr_t>(at);
  uintptr_t aligned = (start + kAlignment - 1) / kAlignment * kAlignment;
  if (aligned > start) munmap(at, aligned - start);
  munmap(reinterpret_cast<void*>(aligned + size), start + kAlignment - aligned);
  auto* piece = reinterpret_cast<uint8_t*>(aligned);
  (void)madvise(piece, size, MADV_HUGEPAGE);
  pieces_.emplace_back(piece, size);
  used_ = 0;
  return {};
}

Status PageRoom::Prepare(uint64_t bytes) {
  if (bytes == 0) return {};
  TRY(AddPiece(bytes));
  // A kernel that can't do it ahead does it when it is needed.
  (void)madvise(pieces_.back().data(), bytes, kPopulateWrite);
  return {};
}

Result<std::span<uint8_t>> PageRoom::Take(uint64_t bytes) {
  if (pieces_.empty() || pieces_.back().size() - used_ < bytes) TRY(AddPiece(bytes));
  std::span<uint8_t> taken = pieces_.back().subspan(used_, bytes);
  used_ += bytes;
  return taken;
}

Status SavedPages::Read(const TaskMemory& source, std::vector<PageRun>& unreadable) {
  std::vector<TaskMemory::Piece> pieces;
  pieces.reserve(runs_.size() - read_);
  for (size_t i = read_; i < runs_.size(); ++i) {
    runs_[i].bytes = TRY(room_->Take(runs_[i].run.end - runs_[i].run.start));
    pieces.push_back({runs_[i].run.start, runs_[i].bytes});
  }
  source.Gather(pieces);
  size_t first = read_;
  read_ = runs_.size();
  // ReadAround adds runs.
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].got < pieces[i].buffer.size()) {
      Run whole = runs_[first + i];
      TRY(ReadAround(source, whole, pieces[i].got, unreadable));
      runs_[first + i] = whole;
    }
  }
  read_ = runs_.size();
  return {};
}

// The pages of a run, of which a page behind the first `got` bytes can't be read.
Status SavedPages::ReadAround(const TaskMemory& source, Run& run, size_t got,
                              std::vector<PageRun>& unreadable) {
  std::span<uint8_t> room = run.bytes;
  PageRun whole = run.run;
  auto is_good = [&](size_t offset) {
    return source.ReadSome(whole.start + offset, room.data() + offset, kPageSize) == kPageSize;
  };
  size_t good = got / kPageSize * kPageSize;
  run.run.end = whole.start + good;
  run.bytes = room.first(good);
  for (size_t offset = good; offset < room.size(); offset += kPageSize) {
    PageRun page{whole.start + offset, whole.start + offset + kPageSize};
    if (is_good(offset)) {
      runs_.push_back({page, run.skip_zeros, room.subspan(offset, kPageSize)});
    } else {
      AddRun(page.start, page.end, unreadable);
    }
  }
  return {};
}

Status SavedPages::AddBytes(uint64_t start, ByteSpan bytes, bool skip_zeros) {
  std::span<uint8_t> room = TRY(room_->Take(bytes.size()));
  memcpy(room.data(), bytes.data(), bytes.size());
  runs_.push_back({{start, start + bytes.size()}, skip_zeros, room});
  read_ = runs_.size();
  return {};
}

Status SavedPages::Write(CheckpointWriter& writer, std::vector<PageRange>& pages) const {
  std::vector<RunToWrite> runs;
  for (const Run& run : runs_) {
    if (!run.bytes.empty()) runs.push_back({run.run, run.skip_zeros, run.bytes.data()});
  }
  std::ranges::sort(runs, {}, [](const RunToWrite& run) { return run.run.start; });
  std::vector<PageRun> none;
  return WriteRuns(runs, nullptr, writer, pages, none);
}

}  // namespace retake
