// Pipes and fifos: what they hold, how much they may, and who has their ends.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "snapshot/fd_kind.h"

namespace retake {
namespace {

bool IsPipe(const FdSubject& subject) { return S_ISFIFO(subject.status.st_mode); }

// What waits in the pipe, by tee: it stays there.
Result<std::vector<QueuedBytes>> PeekPipe(int reader, uint32_t capacity) {
  std::vector<QueuedBytes> queued;
  int waiting = 0;
  if (ioctl(reader, FIONREAD, &waiting) != 0) return ErrnoError("can't ask a pipe what it holds");
  if (waiting == 0) return queued;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoError("can't make a pipe");
  Fd in(ends[0]), out(ends[1]);
  if (fcntl(out.get(), F_SETPIPE_SZ, capacity) < 0)
    return ErrnoError("can't make a pipe of {} bytes", capacity);
  ssize_t copied = tee(reader, out.get(), static_cast<size_t>(waiting), SPLICE_F_NONBLOCK);
  if (copied != waiting)
    return MakeError("only {} of {} bytes in a pipe could be looked at", copied, waiting);
  // A packet (O_DIRECT) remains one in the copy, and a read gives no more than one.
  while (copied > 0) {
    QueuedBytes piece;
    piece.bytes.resize(static_cast<size_t>(copied));
    ssize_t got = read(in.get(), piece.bytes.data(), piece.bytes.size());
    if (got <= 0) return ErrnoError("can't read what a pipe held");
    piece.bytes.resize(static_cast<size_t>(got));
    copied -= got;
    queued.push_back(std::move(piece));
  }
  return queued;
}

// Whether nobody holds the other end. Asked before we open it ourselves.
bool IsHungUp(const FdSubject& subject, int access) {
  // Where there is no copy to be had, one of our own of the same end. (Of a fifo without a writer
  // it doesn't tell.)
  Fd own;
  if (subject.copy == nullptr) {
    own.Reset(open(fmt::format("/proc/{}/fd/{}", subject.pid, subject.number).c_str(),
                   access | O_NONBLOCK | O_CLOEXEC));
    if (!own) return errno == ENXIO;
  }
  pollfd poll_for{subject.copy != nullptr ? subject.copy->get() : own.get(), 0, 0};
  return poll(&poll_for, 1, 0) == 1 && (poll_for.revents & (POLLHUP | POLLERR)) != 0;
}

Result<bool> CapturePipe(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  PipeState pipe{.inode = subject.status.st_ino};
  if (!subject.link.starts_with("pipe:")) {
    pipe.path = subject.link;
    if (pipe.path.ends_with(" (deleted)")) {
      capture.Lose(subject, "the fifo has no name any more");
      return false;
    }
  }
  int access = static_cast<int>(out.flags & O_ACCMODE);
  auto [ends, is_first] =
      capture.pipes.try_emplace(pipe.inode, FdEnds{subject.pid, subject.number, subject.link});
  if (is_first) ends->second.hung_up = IsHungUp(subject, access);
  ends->second.reads = ends->second.reads || access != O_WRONLY;
  ends->second.writes = ends->second.writes || access != O_RDONLY;

  // Of our own, for reading: the one in the tree may be the end for writing.
  Fd own;
  int reader = subject.copy != nullptr && access != O_WRONLY ? subject.copy->get() : -1;
  if (reader < 0) {
    std::string path = fmt::format("/proc/{}/fd/{}", subject.pid, subject.number);
    own.Reset(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    reader = own.get();
  }
  if (reader < 0) {
    capture.Lose(subject, "what it holds can't be read");
    return false;
  }
  int capacity = fcntl(reader, F_GETPIPE_SZ);
  if (capacity < 0) return ErrnoError("can't ask a pipe how much it may hold");
  pipe.capacity = static_cast<uint32_t>(capacity);
  if (is_first) pipe.queued = TRY(PeekPipe(reader, pipe.capacity));
  out.pipe = std::move(pipe);
  return true;
}

// Whether what is written into the pipe is a packet each time.
bool HoldsPackets(const PipeState& pipe, std::span<const OpenFile> files) {
  return pipe.queued.size() > 1 || std::ranges::any_of(files, [&](const OpenFile& file) {
           return file.pipe && file.pipe->inode == pipe.inode && (file.flags & O_DIRECT) != 0;
         });
}

Status Refill(int writer, const PipeState& pipe, bool packets) {
  if (fcntl(writer, F_SETPIPE_SZ, pipe.capacity) < 0 &&
      fcntl(writer, F_GETPIPE_SZ) < static_cast<int>(pipe.capacity))
    return ErrnoError("can't make a pipe of {} bytes", pipe.capacity);
  if (fcntl(writer, F_SETFL, O_NONBLOCK | (packets ? O_DIRECT : 0)) != 0)
    return ErrnoError("can't set a pipe's flags");
  for (const QueuedBytes& piece : pipe.queued) {
    if (write(writer, piece.bytes.data(), piece.bytes.size()) !=
        static_cast<ssize_t>(piece.bytes.size()))
      return ErrnoError("can't put {} bytes back into a pipe", piece.bytes.size());
  }
  return {};
}

// A whole pipe, with what it held, both ends open: each description of it is opened from that.
Result<int> PipeOf(const OpenFile& file, FdRestore& restore) {
  auto known = restore.waiting.find(file.pipe->inode);
  if (known != restore.waiting.end()) return known->second.get();
  Fd both;
  if (!file.pipe->path.empty()) {
    NamedFile named{.path = file.pipe->path};
    both.Reset(open(restore.PathOf(named).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!both) return ErrnoError("can't open the fifo {}", named.path);
  } else {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError("can't make a pipe");
    Fd reader(ends[0]), writer(ends[1]);
    both.Reset(
        open(fmt::format("/proc/self/fd/{}", ends[0]).c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!both) return ErrnoError("can't open a pipe");
  }
  TRY(Refill(both.get(), *file.pipe, HoldsPackets(*file.pipe, restore.files)));
  return restore.waiting.emplace(file.pipe->inode, std::move(both)).first->second.get();
}

Result<Fd> OpenPipe(const OpenFile& file, FdRestore& restore) {
  int both = TRY(PipeOf(file, restore));
  int access = static_cast<int>(file.flags & O_ACCMODE);
  Fd fd(open(fmt::format("/proc/self/fd/{}", both).c_str(), access | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return ErrnoError("can't open the end of a pipe");
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

// Where descriptors of processes outside of the tree lead to, and the first that has one.
std::map<std::string, pid_t> HeldOutside(std::span<const pid_t> tree) {
  std::map<std::string, pid_t> holders;
  for (pid_t pid : AllProcesses()) {
    if (std::ranges::find(tree, pid) != tree.end() || pid == getpid()) continue;
    for (int number : DescriptorsOf(pid)) {
      std::string link = ReadProcLink(pid, fmt::format("fd/{}", number));
      if (!link.empty()) holders.try_emplace(std::move(link), pid);
    }
  }
  return holders;
}

}  // namespace

void FindOutsidePipes(FdCapture& capture) {
  if (capture.pipes.empty()) return;
  const auto outside = HeldOutside(capture.pids);
  for (const auto& [inode, ends] : capture.pipes) {
    auto lose = [&, &ends = ends](std::string what, LossNature nature) {
      capture.losses.push_back({.pid = ends.pid,
                                .fd = ends.number,
                                .kind = "pipe",
                                .what = std::move(what),
                                .nature = nature});
    };
    auto holder = outside.find(ends.link);
    if (holder != outside.end()) {
      auto stat = ProcStat::Read(holder->second);
      lose(fmt::format("its other end is held by pid {} ({}), outside of the tree: it would be cut "
                       "(--skip-fd {} leaves it out; `restore --replace-fd {}=PATH` puts a file in "
                       "its place)",
                       holder->second, stat.ok() ? stat->name() : "?", ends.number, ends.number),
           LossNature::kCertain);
    } else if ((!ends.reads || !ends.writes) && !ends.hung_up) {
      lose("who holds its other end can't be seen: it would be cut", LossNature::kPossible);
    }
  }
}

constinit const FdKind kPipeFd = {FileKind::kPipe, "pipe", IsPipe, CapturePipe, OpenPipe};

}  // namespace retake
