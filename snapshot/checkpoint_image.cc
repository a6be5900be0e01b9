#include "snapshot/checkpoint_image.h"

#include <linux/filter.h>

#include <algorithm>
#include <bit>

namespace retake {
namespace {

constexpr uint64_t kHighestAddress = uint64_t{1} << 57;

// A word of a command of nft is among it.
bool IsWhole(const TcpRepair& repair) {
  constexpr std::string_view kPrefix = "retake_";
  constexpr size_t kWindowFields = 5;
  std::string_view table = repair.table;
  return repair.unsent <= repair.to_send.size() && repair.window.size() == kWindowFields &&
         table.starts_with(kPrefix) &&
         table.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
}

class Checker {
 public:
  Checker(const CheckpointImage& image, uint32_t blocks, uint64_t block_bytes)
      : image_(image),
        blocks_(blocks),
        block_bytes_(block_bytes),
        page_(image.requirements.page_size) {}

  Status Check() {
    if (page_ < 4096 || page_ > (1 << 20) || !std::has_single_bit(page_))
      return MakeError("a page size of {} bytes", page_);
    if (image_.processes.empty()) return MakeError("it holds no processes");
    for (size_t i = 0; i < image_.processes.size(); ++i) TRY(CheckProcess(i));
    for (const SharedObject& object : image_.shared_objects) {
      TRY(CheckPages(object.pages, RoundUp(object.size)));
      if (!IsOfHugePages(object.size, object.huge_page_size))
        return MakeError("{} with pages of {} bytes", object.name, object.huge_page_size);
    }
    for (const NamedFile& file : image_.mapped_files)
      TRY(CheckPages(file.pages, RoundUp(file.size)));
    for (const OpenFile& file : image_.open_files) {
      if (file.named) TRY(CheckPages(file.named->pages, RoundUp(file.named->size)));
      if (!HasItsPart(file)) return MakeError("an open file that says nothing of itself");
    }
    return {};
  }

 private:
  uint64_t RoundUp(uint64_t size) const {
    return size > kHighestAddress ? size : (size + page_ - 1) / page_ * page_;
  }

  static bool IsOfHugePages(uint64_t size, uint64_t page) {
    return page == 0 || (std::has_single_bit(page) && size % page == 0);
  }

  bool HasItsPart(const OpenFile& file) const {
    switch (file.kind) {
      case FileKind::kRegular:
      case FileKind::kDirectory:
      case FileKind::kDevice:
        return file.named.has_value();
      case FileKind::kNameless:
        return file.object < image_.shared_objects.size();
      case FileKind::kPipe:
        return file.pipe.has_value();
      case FileKind::kEventFd:
        return file.event.has_value();
      case FileKind::kTimerFd:
        return file.timer.has_value();
      case FileKind::kSignalFd:
        return file.signals.has_value();
      case FileKind::kEpoll:
        return file.epoll.has_value();
      case FileKind::kUnixSocket:
      case FileKind::kInternetSocket:
      case FileKind::kTcpConnection:
        return file.socket.has_value() && (!file.socket->repair || IsWhole(*file.socket->repair));
      case FileKind::kInotify:
        return file.inotify.has_value();
      case FileKind::kTerminal:
        return file.terminal.has_value();
      case FileKind::kPidfd:
        return file.pidfd.has_value();
      default:
        return true;
    }
  }

  Status CheckProcess(size_t index) {
    const ProcessState& process = image_.processes[index];
    for (const MemoryPolicy& policy : process.policies) {
      if (policy.nodes.size() != kMaxNodes / 8)
        return MakeError("a NUMA policy of {} bytes", policy.nodes.size());
    }
    if (process.pid <= 0) return MakeError("a process with the pid {}", process.pid);
    if (process.parent > index || (index > 0 && process.parent == index))
      return MakeError("process {} before its parent", process.pid);
    bool ended = process.condition == ProcessCondition::kZombie;
    if (process.tasks.empty() && !ended) return MakeError("process {} without a task", process.pid);
    uint64_t end = 0;
    for (const MemoryRegion& region : process.memory) {
      bool sound = region.size > 0 && region.start % page_ == 0 && region.size % page_ == 0 &&
                   region.start >= end && region.start < kHighestAddress &&
                   region.size <= kHighestAddress - region.start && region.offset % page_ == 0;
      if (!sound) {
        return MakeError("process {} with a mapping of {} bytes at {:#x}", process.pid, region.size,
                         region.start);
      }
      if (!IsOfHugePages(region.size, region.huge_page_size))
        return MakeError("process {} with pages of {} bytes", process.pid, region.huge_page_size);
      end = region.start + region.size;
      bool file = region.kind == MemoryKind::kFile || region.kind == MemoryKind::kSharedFile;
      size_t objects = file ? image_.mapped_files.size() : image_.shared_objects.size();
      bool refers = file || region.kind == MemoryKind::kSharedObject;
      if (refers && region.object >= objects)
        return MakeError("process {} with a mapping of nothing", process.pid);
    }
    TRY(CheckPages(process.pages, kHighestAddress));
    for (const TaskState& task : process.tasks) {
      for (const SeccompFilter& filter : task.seccomp.filters) {
        size_t size = filter.instructions.size();
        if (size == 0 || size % sizeof(sock_filter) != 0 || size > kMostFilterBytes)
          return MakeError("task {} with a seccomp filter of {} bytes", task.tid, size);
      }
    }
    for (const Descriptor& descriptor : process.descriptors.descriptors) {
      if (descriptor.number < 0 || descriptor.file >= image_.open_files.size())
        return MakeError("process {} with a descriptor of nothing", process.pid);
    }
    return {};
  }

  Status CheckPages(const std::vector<PageRange>& pages, uint64_t limit) const {
    uint64_t end = 0;
    for (const PageRange& range : pages) {
      bool sound = range.size > 0 && range.start % page_ == 0 && range.size % page_ == 0 &&
                   range.start >= end && range.start <= limit && range.size <= limit - range.start;
      if (range.block != kZeroBlock) {
        sound = sound && range.block < blocks_ && range.offset <= block_bytes_ &&
                range.size <= block_bytes_ - range.offset;
      }
      if (!sound) return MakeError("pages at {:#x} that make no sense", range.start);
      end = range.start + range.size;
    }
    return {};
  }

  const CheckpointImage& image_;
  uint32_t blocks_;
  uint64_t block_bytes_;
  uint64_t page_;
};

}  // namespace

bool StandsInVdso(const ProcessState& process) {
  auto vdso = std::ranges::find_if(process.memory, [](const MemoryRegion& region) {
    return region.kind == MemoryKind::kKernel && region.name == "[vdso]";
  });
  return vdso != process.memory.end() &&
         std::ranges::any_of(process.tasks, [&](const TaskState& task) {
           return task.registers.words[HostArch().pc] - vdso->start < vdso->size;
         });
}

Status CheckImage(const CheckpointImage& image, uint32_t blocks, uint64_t block_bytes) {
  return Checker(image, blocks, block_bytes).Check();
}

}  // namespace retake
