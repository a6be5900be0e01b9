// retake inspect: what a checkpoint holds, without restoring it.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/field_json.h"
#include "cli/report.h"
#include "replay/stack_trace.h"
#include "snapshot/checkpoint_memory.h"
#include "snapshot/file_contents.h"
#include "snapshot/internet_address.h"
#include "snapshot/kept_files.h"
#include "snapshot/restore.h"
#include "snapshot/sessions.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

constexpr size_t kFieldWidth = 14;
constexpr int64_t kSecond = 1'000'000'000;

void Field(std::string_view name, std::string_view value) {
  fmt::print("{:<{}}{}\n", name, kFieldWidth, value);
}

uint64_t BytesOf(const std::vector<PageRange>& ranges) {
  uint64_t bytes = 0;
  for (const PageRange& range : ranges) bytes += range.size;
  return bytes;
}

std::string_view DescribeKind(FileKind kind) {
  constexpr std::string_view kNames[] = {
      "unknown", "file",    "directory", "device",   "file without a name",
      "pipe",    "eventfd", "timerfd",   "signalfd", "epoll",
      "socket",  "socket",  "inotify"};
  auto index = static_cast<size_t>(kind);
  return index < std::size(kNames) ? kNames[index] : kNames[0];
}

std::string_view DescribeTaken(PagesTaken taken) {
  switch (taken) {
    case PagesTaken::kSaved:
      return "read within the pause";
    case PagesTaken::kFromCopy:
      return "read from a copy";
    case PagesTaken::kHeld:
      return "read and written within the pause";
  }
  return "";
}

// The stacks of a process's tasks: its code's bytes are the mapped files', if they are as they
// were.
class Stacks {
 public:
  Stacks(CheckpointReader& checkpoint, const ProcessState& process)
      : checkpoint_(checkpoint), memory_(checkpoint, process) {
    const CheckpointImage& image = checkpoint.image();
    for (const MemoryRegion& region : process.memory) {
      MappedObject object{region.start, region.size, region.offset, region.prot, region.name, {}};
      if (region.kind == MemoryKind::kFile && (region.prot & PROT_EXEC) != 0)
        object.bytes = BytesOfFile(image.mapped_files.at(region.object), region.object);
      objects_.push_back(std::move(object));
    }
  }

  std::string Of(const TaskState& task) const {
    return FormatStack(Unwind(task.registers, memory_, objects_));
  }

 private:
  ByteSpan BytesOfFile(const NamedFile& file, uint32_t index) {
    auto [read, is_new] = files_.try_emplace(index);
    Fd fd;
    if (is_new) fd.Reset(open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd && IsSameContent(file, fd.get())) {
      auto text = ReadWhole(file.path);
      if (text.ok()) read->second = text.TakeValue();
    } else if (is_new && file.kept) {
      auto copy = CopyOfKept(file, checkpoint_);
      if (copy.ok()) {
        auto text = ReadWhole(fmt::format("/proc/self/fd/{}", copy->get()));
        if (text.ok()) read->second = text.TakeValue();
      }
    }
    return AsBytes(read->second);
  }

  CheckpointReader& checkpoint_;
  CheckpointMemory memory_;
  std::map<uint32_t, std::string> files_;
  std::vector<MappedObject> objects_;
};

void PrintMappings(const ProcessState& process) {
  for (const MemoryRegion& region : process.memory) {
    uint64_t kept = 0;
    for (const PageRange& range : process.pages) {
      if (range.start >= region.start && range.start < region.start + region.size)
        kept += range.size;
    }
    bool shared =
        region.kind == MemoryKind::kSharedFile || region.kind == MemoryKind::kSharedObject;
    fmt::print("    {:012x}-{:012x} {}{}{}{} {:>10} kept  {}\n", region.start,
               region.start + region.size, (region.prot & PROT_READ) != 0 ? 'r' : '-',
               (region.prot & PROT_WRITE) != 0 ? 'w' : '-',
               (region.prot & PROT_EXEC) != 0 ? 'x' : '-', shared ? 's' : 'p',
               kept == 0 ? "nothing" : DescribeSize(kept), region.name);
  }
}

std::string DescribeFile(const OpenFile& file, const CheckpointImage& image) {
  std::string text(DescribeKind(file.kind));
  if (file.named) text += " " + file.named->path;
  if (file.kind == FileKind::kRegular) text += fmt::format(", at {}", file.offset);
  if (file.kind == FileKind::kNameless) text += " " + image.shared_objects.at(file.object).name;
  if (file.pipe) {
    uint64_t queued = 0;
    for (const QueuedBytes& piece : file.pipe->queued) queued += piece.bytes.size();
    text += fmt::format(" {}{}", file.pipe->inode,
                        queued == 0 ? "" : fmt::format(", {} bytes in it", queued));
  }
  if (file.terminal)
    text += fmt::format(" {}{}", file.terminal->index, file.terminal->master ? ", its master" : "");
  if (file.event) text += fmt::format(", count {}", file.event->count);
  if (file.epoll) text += fmt::format(", of {} descriptors", file.epoll->entries.size());
  if (file.socket && file.socket->listening) text += ", listening";
  if (file.kind == FileKind::kTcpConnection && !file.socket->peer_name.empty())
    text += fmt::format(", to {}", DescribeAddress(file.socket->peer_name));
  if (file.socket && file.socket->repair)
    text +=
        fmt::format(", which waits for it (nft list table inet {})", file.socket->repair->table);
  constexpr std::string_view kAccess[] = {"read", "write", "read and write", ""};
  return fmt::format("{} ({})", text, kAccess[file.flags & O_ACCMODE]);
}

// `stacks`: null if they can't be walked here.
void PrintTask(const TaskState& task, const Stacks* stacks, const ArchDescription& arch) {
  std::string doing =
      task.call < 0 ? "computing" : fmt::format("in {}", SysName(arch.SysOf(task.call)));
  fmt::print("  task {} ({}): {}{}\n", task.tid, task.name, doing,
             task.limit_restarts ? ", whose time limit begins anew" : "");
  std::string line;
  auto infos = arch.registers;
  for (size_t i = 0; i < infos.size(); ++i) {
    constexpr size_t kInLine = 4;
    line += fmt::format(" {:>8} {:016x}", infos[i].name, task.registers.words[i]);
    if (i % kInLine != kInLine - 1 && i + 1 != infos.size()) continue;
    fmt::print("   {}\n", line);
    line.clear();
  }
  if (stacks != nullptr) {
    fmt::print("{}", stacks->Of(task));
  } else {
    fmt::print("#?  the stack can be shown on an {} machine\n", arch.name);
  }
}

void PrintProcess(CheckpointReader& checkpoint, const ProcessState& process) {
  const CheckpointImage& image = checkpoint.image();
  fmt::print("\nprocess {} ({}), child of {}, group {}, session {}\n", process.pid, process.name,
             process.parent_pid, process.group, process.session);
  if (auto outside = OutsideOfTree(image, process); !outside.empty())
    fmt::print(
        "  outside    of the tree: {} (in a restored one a process of retake's with its pid, where "
        "that is free)\n",
        fmt::join(outside, ", "));
  if (process.condition == ProcessCondition::kZombie) {
    fmt::print("  has ended: {}\n", DescribeWaitStatus(process.wait_status));
    return;
  }
  if (process.condition == ProcessCondition::kStopped)
    fmt::print("  stopped by {}\n", SignalName(process.stop_signal));
  fmt::print("  command    {}\n", DescribeCommand(process.arguments));
  fmt::print("  executable {}\n", process.executable.path);
  fmt::print("  directory  {}\n", process.directory);
  fmt::print("  memory     {} mappings, {} kept, {}\n", process.memory.size(),
             DescribeSize(BytesOf(process.pages)), DescribeTaken(process.pages_taken));
  PrintMappings(process);
  for (const Descriptor& descriptor : process.descriptors.descriptors) {
    fmt::print("  fd {:<4} {}\n", descriptor.number,
               DescribeFile(image.open_files.at(descriptor.file), image));
  }
  const ArchDescription& arch = checkpoint.arch();
  std::optional<Stacks> stacks;
  if (arch.id == HostArch().id) stacks.emplace(checkpoint, process);
  for (const TaskState& task : process.tasks) PrintTask(task, stacks ? &*stacks : nullptr, arch);
}

std::string RestoresHere(const CheckpointReader& checkpoint) {
  std::string mismatch = MismatchWith(checkpoint.image(), checkpoint.arch());
  return mismatch.empty() ? "yes" : "no: " + mismatch;
}

void PrintAll(CheckpointReader& checkpoint, const std::string& path) {
  const CheckpointImage& image = checkpoint.image();
  size_t tasks = 0;
  uint64_t memory = 0;
  for (const ProcessState& process : image.processes) {
    tasks += process.tasks.size();
    memory += BytesOf(process.pages);
  }
  for (const SharedObject& object : image.shared_objects) memory += BytesOf(object.pages);
  struct stat status {};
  stat(path.c_str(), &status);
  Field("checkpoint", path);
  Field("taken", fmt::format("{} on {}, {}", DescribeTime(image.taken_at / kSecond),
                             checkpoint.arch().name, image.requirements.kernel));
  Field("holds", fmt::format("{} process{}, {} task{}, {} of memory", image.processes.size(),
                             image.processes.size() == 1 ? "" : "es", tasks, tasks == 1 ? "" : "s",
                             DescribeSize(memory)));
  Field("size", DescribeSize(static_cast<uint64_t>(status.st_size)));
  if (image.pause > 0)
    Field("pause", fmt::format("{:.1f} ms", static_cast<double>(image.pause) / 1e6));
  Field("cpu", image.requirements.cpu);
  Field("restores here", RestoresHere(checkpoint));
  for (const Loss& loss : image.losses) Field("lost", Describe(loss));
  for (const ProcessState& process : image.processes) PrintProcess(checkpoint, process);
}

void PrintJson(CheckpointReader& checkpoint, const std::string& path) {
  const CheckpointImage& image = checkpoint.image();
  nlohmann::ordered_json json = {{"checkpoint", path}, {"arch", checkpoint.arch().name}};
  json["restores_here"] = RestoresHere(checkpoint);
  json.update(FieldJson::Of(image, checkpoint.arch()));
  for (size_t i = 0; i < image.processes.size(); ++i) {
    if (checkpoint.arch().id != HostArch().id) break;
    Stacks stacks(checkpoint, image.processes[i]);
    for (size_t task = 0; task < image.processes[i].tasks.size(); ++task)
      json["processes"][i]["tasks"][task]["stack"] = stacks.Of(image.processes[i].tasks[task]);
  }
  fmt::print("{}\n", JsonText(json, 2));
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string file;
  bool as_json = false;
  line.Flag("--json", &as_json, "Print it as one JSON object, with all that the checkpoint keeps.");
  line.Argument("FILE", true, &file);
  if (auto status = line.Parse(arguments)) return *status;
  auto checkpoint = CheckpointReader::Open(file);
  if (!checkpoint.ok()) return Fail(Reason::kDamaged, checkpoint.error().Message());
  if (as_json) {
    PrintJson(**checkpoint, file);
  } else {
    PrintAll(**checkpoint, file);
  }
  return kExitDone;
}

}  // namespace

extern const Verb kInspectVerb;
constinit const Verb kInspectVerb = {
    .name = "inspect",
    .summary = "say what a checkpoint holds, without restoring it",
    .synopsis = "retake inspect FILE [--json]",
    .description =
        "Prints when and where the checkpoint was taken, whether it can be restored\n"
        "here, what was lost if --force was given, and of each process: its command,\n"
        "mappings and how much of each is kept, descriptors, and tasks with what they\n"
        "were doing, their registers and stacks.\n"
        "\n"
        "Names in the stacks come from the files that were mapped, where they are as\n"
        "they were.",
    .exit_status = "0, or 125 if the checkpoint is damaged or can't be read.",
    .examples =
        "retake inspect job.checkpoint\n"
        "retake inspect --json job.checkpoint | jq '.processes[].arguments'",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
