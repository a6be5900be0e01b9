// The recorder's view of writes to files: what a replay compares, and what of it shows again;
// writes to a file that is mapped.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "replay/recording.h"
#include "replay/task_files.h"
#include "replay/written_bytes.h"

namespace retake {
namespace {

// At most this many pieces of one vectored write are looked at (IOV_MAX).
constexpr uint64_t kMostPieces = 1024;

// Of what isn't shown again, so much of each write is hashed.
constexpr uint64_t kMostHashed = 1 << 16;

// Up to `length` bytes that a pipe holds, without taking them; empty if it is no pipe or holds
// nothing.
std::vector<uint8_t> PeekPipe(const Fd& pipe, uint64_t length) {
  constexpr uint64_t kMost = 1 << 16;  // what a pipe of our own holds
  int ends[2];
  if (!pipe || length == 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  ssize_t got = tee(pipe.get(), write_end.get(), std::min(length, kMost), SPLICE_F_NONBLOCK);
  std::vector<uint8_t> bytes(got > 0 ? static_cast<size_t>(got) : 0);
  if (bytes.empty() || read(read_end.get(), bytes.data(), bytes.size()) != got) return {};
  return bytes;
}

// Calls `visit(address, size)` for what a call that writes takes from memory, at most `left` bytes.
template <typename Visit>
void VisitWritten(const ReadableMemory& memory, const Row& row, const Registers& call,
                  uint64_t left, const Visit& visit) {
  auto add = [&](uint64_t address, uint64_t size) {
    uint64_t piece = std::min(size, left);
    left -= piece;
    if (piece > 0) visit(address, piece);
  };
  uint64_t vector = machine::Argument(call, 1);
  uint64_t count = machine::Argument(call, 2);
  switch (WriteSourceOf(row)) {
    case WriteSource::kBuffer:
      return add(vector, count);
    case WriteSource::kMessage: {
      // struct msghdr: name, its length (padded), iovec, count (<linux/socket.h>).
      uint64_t header[4] = {};
      if (!memory.Read(vector, header, sizeof header)) return;
      vector = header[2];
      count = header[3];
      break;
    }
    case WriteSource::kVector:
      break;
    default:
      return;
  }
  for (uint64_t i = 0; i < std::min(count, kMostPieces) && left > 0; ++i) {
    uint64_t piece[2] = {};  // struct iovec
    if (!memory.Read(vector + i * sizeof piece, piece, sizeof piece)) return;
    add(piece[0], piece[1]);
  }
}

}  // namespace

Result<std::optional<int64_t>> Recording::PrepareWrite(Task& task, const Row& row) {
  using Answered = std::optional<int64_t>;
  TaskState& state = State(task);
  state.writes_echo = false;
  int fd_argument = WriteFdArgument(row);
  if (fd_argument < 0) return Answered();
  int fd = static_cast<int>(machine::Argument(task.entry, fd_argument));
  const FdInfo& info = state.fds->Look(task.pid, fd, options_.echo);
  if (info.regular) written_files_.insert(info.id);
  if (info.echo == EchoTarget::kNone) return Answered();
  if (WriteSourceOf(row) == WriteSource::kFile && !FindEchoSource(task)) {
    // What goes from pipe to pipe never is in anyone's memory, so it could not be shown again.
    // Refused, programs fall back to reading and writing.
    return Answered(-EINVAL);
  }
  state.writes_echo = WriteSourceOf(row) != WriteSource::kOther;
  return Answered();
}

bool Recording::FindEchoSource(Task& task) {
  TaskState& state = State(task);
  auto arg = [&](int index) { return machine::Argument(task.entry, index); };
  // sendfile(out, in, offset*, count); copy_file_range and splice(in, offset*, out, offset*, ...).
  bool is_sendfile = task.sys == Sys::sendfile;
  if (!is_sendfile && task.sys != Sys::copy_file_range && task.sys != Sys::splice) return false;
  int fd = static_cast<int>(arg(is_sendfile ? 1 : 0));
  uint64_t offset_address = arg(is_sendfile ? 2 : 1);
  if (!state.fds->Look(task.pid, fd, options_.echo).regular) {
    uint64_t length = task.sys == Sys::splice ? arg(4) : 0;
    std::vector<uint8_t> bytes = PeekPipe(OpenTaskFd(task.pid, fd), length);
    if (bytes.empty()) return false;
    state.echo_source = {fd, 0, std::move(bytes)};
    return true;
  }
  uint64_t offset = 0;
  if (offset_address != 0) {
    if (!task.process->memory.ReadValue(offset_address, &offset)) return false;
  } else {
    auto position = Position(task.pid, fd);
    if (!position) return false;
    offset = *position;
  }
  state.echo_source = {fd, offset, {}};
  return true;
}

Status Recording::FinishWrite(Task& task, const Row& row, int64_t result) {
  TaskState& state = State(task);
  if (state.writes_echo) {
    if (result > 0) AddEcho(task, row, result);
    if (!event_.written.empty())
      event_.written_hash = HashWritten(task.process->memory, event_.written);
    state.writes_echo = false;
    if (echo_writer_ == task.id) {
      echo_writer_.reset();
      supervisor_->Release();
    }
  } else if (result > 0 && !state.entered) {
    AddWritten(task, row, static_cast<uint64_t>(result));
  }
  int fd_argument = WriteFdArgument(row);
  if (result < 0 || fd_argument < 0) return {};
  int fd = static_cast<int>(machine::Argument(task.entry, fd_argument));
  const FdInfo& info = state.fds->Look(task.pid, fd, options_.echo);
  if (!info.regular || !mapped_files_.contains(info.id)) return {};
  return AddFileWriteEffects(task, info, row, result);
}

void Recording::AddEcho(Task& task, const Row& row, int64_t result) {
  TaskState& state = State(task);
  int fd = static_cast<int>(machine::Argument(task.entry, WriteFdArgument(row)));
  event_.echo = state.fds->Look(task.pid, fd, options_.echo).echo;
  uint64_t left = static_cast<uint64_t>(result);
  if (state.echo_source) {
    event_.echo_bytes = std::move(state.echo_source->bytes);
    if (event_.echo_bytes.empty()) {
      Fd source = OpenTaskFd(task.pid, state.echo_source->fd);
      event_.echo_bytes.resize(left);
      ssize_t got = pread(source.get(), event_.echo_bytes.data(), left,
                          static_cast<off_t>(state.echo_source->offset));
      event_.echo_bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    }
    if (event_.echo_bytes.size() < left)
      Warn("some output came from a pipe too late to be kept; a replay won't show it");
    event_.echo_bytes.resize(std::min(event_.echo_bytes.size(), left));
    state.echo_source.reset();
    return;
  }
  const ReadableMemory& memory = task.process->memory;
  VisitWritten(memory, row, task.made, left, [&](uint64_t address, uint64_t size) {
    if (!state.redirection) {
      event_.written.push_back({address, size});
      return;
    }
    // What the program has there may have changed since; the scratch area is in no replay.
    size_t had = event_.echo_bytes.size();
    event_.echo_bytes.resize(had + size);
    event_.echo_bytes.resize(had + memory.ReadSome(address, event_.echo_bytes.data() + had, size));
  });
}

void Recording::AddWritten(Task& task, const Row& row, uint64_t size) {
  const ReadableMemory& memory = task.process->memory;
  uint64_t sum = 0;
  VisitWritten(memory, row, task.entry, std::min(size, kMostHashed),
               [&](uint64_t address, uint64_t piece) {
                 event_.written.push_back({address, piece});
                 sum += piece;
               });
  if (sum > kPreviewedBytes) {
    event_.written_hash = HashWritten(memory, event_.written);
  } else {
    event_.written.clear();
  }
}

}  // namespace retake
