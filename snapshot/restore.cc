#include "snapshot/restore.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <vector>

#include "base/clock.h"
#include "snapshot/address_space.h"
#include "snapshot/asker.h"
#include "snapshot/descriptors.h"
#include "snapshot/file_contents.h"
#include "snapshot/first_process.h"
#include "snapshot/huge_pages.h"
#include "snapshot/io_signals.h"
#include "snapshot/kept_files.h"
#include "snapshot/machine_clocks.h"
#include "snapshot/restored_process.h"
#include "snapshot/restored_sessions.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

// Descriptors of ours begin here at the lowest: clear of those that a program has itself.
constexpr int kLeastLowest = 256;

// A place that no process of the image, and no husk, has anything at.
uint64_t FindStub(const CheckpointImage& image) {
  constexpr uint64_t kSize = kStubEnd - kStubAddress;
  AddressSpace taken;
  taken.Add(0x6000'0000, 0x10'0000);
  for (const ProcessState& process : image.processes) {
    for (const MemoryRegion& region : process.memory) taken.Add(region.start, region.size);
  }
  return taken.IsFree(kStubAddress, kSize) ? kStubAddress : taken.FindFree(kSize);
}

class Restorer {
 public:
  // `for_parent`: the root is to be our parent's child. `elders` are stood in for.
  Restorer(CheckpointReader& checkpoint, const RestoreOptions& options, Rights rights,
           bool for_parent, const Elders& elders, const std::function<void()>& outlive)
      : checkpoint_(checkpoint),
        image_(checkpoint.image()),
        options_(options),
        outlive_(outlive),
        sessions_(image_, options.same_pids, elders, processes_,
                  [this](size_t index) { return TakeTerminal(index); }) {
    material_.rights = rights;
    material_.for_parent = for_parent;
    material_.in_front = !options.detached;
  }

  Result<RestoredRoot> Restore() {
    // Its waits are short. (Set before a fork, it would be the child's default.)
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    TRY(OpenMaterial());
    TRY(StartAll());
    for (size_t i = 0; i < processes_.size(); ++i) TRY(Build(i));
    // When all writable mappings of them are there, since some seals forbid new ones.
    for (size_t i = 0; i < image_.shared_objects.size(); ++i) {
      uint32_t seals = image_.shared_objects[i].seals;
      if (seals != 0 && fcntl(material_.shared_objects[i], F_ADD_SEALS, seals) != 0)
        return ErrnoError("can't seal {} as it was", image_.shared_objects[i].name);
    }
    TRY(RestoreSignals());
    for (size_t i = 0; i < processes_.size(); ++i) {
      if (!IsZombie(i)) TRY(processes_[i]->Complete(image_.processes[i]));
    }
    // Children end before their parents go on to wait for them.
    for (size_t i = processes_.size(); i-- > 0;) {
      if (IsZombie(i)) TRY(processes_[i]->EndAs(image_.processes[i].wait_status));
    }
    RestoredRoot root{.pid = processes_[0]->pid(), .made_by = sessions_.made_by()};
    outlive_();
    TRY(ResumeConnections(image_.open_files, material_.open_files));
    // Those that are stopped first: their parents find them so.
    for (auto condition : {ProcessCondition::kStopped, ProcessCondition::kRunning}) {
      for (size_t i = 0; i < processes_.size(); ++i) {
        const ProcessState& state = image_.processes[i];
        if (state.condition == condition) TRY(processes_[i]->Release(state));
      }
    }
    return root;
  }

 private:
  bool IsZombie(size_t index) const {
    return image_.processes[index].condition == ProcessCondition::kZombie;
  }

  Status OpenMaterial() {
    for (const ProcessState& process : image_.processes) {
      for (const Descriptor& descriptor : process.descriptors.descriptors)
        material_.lowest = std::max(material_.lowest, descriptor.number + 1);
    }
    material_.lowest = std::max(material_.lowest, kLeastLowest);
    material_.stub = FindStub(image_);
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    for (const SharedObject& object : image_.shared_objects) TRY(MakeShared(object));
    files_ = TRY(OpenFiles(
        image_.open_files,
        {.lowest = material_.lowest,
         .replaced = ReplacedFiles(),
         .relative_to = options_.relative_to,
         .same_pids = options_.same_pids,
         .rewind_files = image_.files == FilePolicy::kRewind,
         .keep_files = image_.files == FilePolicy::kKeep,
         .objects = material_.shared_objects,
         .copy_of = [this](const NamedFile& file) { return CopyOfKept(file, checkpoint_); },
         .terminal = options_.terminal}));
    for (const Fd& file : files_) material_.open_files.push_back(file.get());
    for (size_t i = 0; i < image_.mapped_files.size(); ++i) TRY(OpenMapped(i));
    TRY(PreparePidfds());
    return OpenTerminals();
  }

  // The descriptions that the root's replaced descriptors refer to.
  std::map<uint32_t, std::string> ReplacedFiles() const {
    std::map<uint32_t, std::string> replaced;
    for (const Descriptor& descriptor : image_.processes[0].descriptors.descriptors) {
      auto found = options_.replaced_fds.find(descriptor.number);
      if (found != options_.replaced_fds.end()) replaced[descriptor.file] = found->second;
    }
    return replaced;
  }

  Status Keep(const Fd& file, std::vector<int>& numbers) {
    held_.push_back(TRY(HoldHigh(file, material_.lowest)));
    numbers.push_back(held_.back().get());
    return {};
  }

  Status OpenMapped(size_t index) {
    const NamedFile& file = image_.mapped_files[index];
    bool writes = false;
    for (const ProcessState& process : image_.processes) {
      for (const MemoryRegion& region : process.memory) {
        writes = writes || (region.kind == MemoryKind::kSharedFile && region.object == index &&
                            (region.prot & PROT_WRITE) != 0);
      }
    }
    auto open_it = [&] {
      return Fd(open(file.path.c_str(), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC));
    };
    Fd opened = open_it();
    if (file.kept && (!opened || !IsSameContent(file, opened.get()))) {
      Fd copy = TRY(CopyOfKept(file, checkpoint_));
      if (!writes) return Keep(copy, material_.mapped_files);
      TRY(WriteBack(file, copy.get(), file.path));
      opened = open_it();
    }
    if (!opened) return ErrnoError("can't open {}, which is mapped", file.path);
    if (image_.files != FilePolicy::kKeep && !IsSameContent(file, opened.get())) {
      return MakeError("{}, which is mapped, has changed since the checkpoint was taken{}",
                       file.path,
                       file.written ? " (one taken with --files keep goes on all the same)" : "");
    }
    return Keep(opened, material_.mapped_files);
  }

  // What had no name has none again.
  Result<Fd> NewObject(const SharedObject& object) {
    if (object.is_memory) {
      std::string name = object.name;
      if (name.starts_with("/memfd:")) name = name.substr(7, name.rfind(" (deleted)") - 7);
      unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
      if (object.huge_page_size != 0)
        flags |= MFD_HUGETLB | static_cast<unsigned>(HugePageFlags(object.huge_page_size));
      Fd memory(memfd_create(name.substr(0, 200).c_str(), flags));
      if (!memory) return ErrnoError("can't make shared memory");
      return memory;
    }
    std::string directory = object.name.substr(0, object.name.rfind('/') + 1);
    Fd file;
    for (const std::string& place : {directory, std::string("/tmp")}) {
      if (!file) file.Reset(open(place.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    }
    if (!file) return ErrnoError("can't make a file without a name in {} or /tmp", directory);
    return file;
  }

  Status MakeShared(const SharedObject& object) {
    Fd memory = TRY(NewObject(object));
    if (fchmod(memory.get(), object.mode & 07777) != 0 ||
        ftruncate(memory.get(), static_cast<off_t>(object.size)) != 0)
      return ErrnoError("can't make {} of {} bytes", object.name, object.size);
    if (object.huge_page_size != 0) {
      TRY(FillHugePages(checkpoint_, object, memory.get()));
    } else {
      TRY(checkpoint_.CopyPages(object.pages, object.size, memory.get(), object.name));
    }
    return Keep(memory, material_.shared_objects);
  }

  // A descriptor, open in each husk, of the slave of a pseudoterminal.
  Result<int> SlaveOf(int32_t index) {
    auto known = slaves_.find(index);
    if (known != slaves_.end()) return known->second;
    int master = -1;
    for (size_t i = 0; i < image_.open_files.size(); ++i) {
      const auto& terminal = image_.open_files[i].terminal;
      if (!terminal || terminal->index != static_cast<uint32_t>(index)) continue;
      if (!terminal->master) return slaves_[index] = material_.open_files[i];
      master = material_.open_files[i];
    }
    // Nobody has it open: it comes from its own master, or is the one from outside.
    if (master < 0) master = options_.terminal;
    if (master < 0) return -1;
    Fd slave(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave) return ErrnoError("can't open a terminal");
    TRY(Keep(slave, material_.terminals));
    return slaves_[index] = material_.terminals.back();
  }

  // Before the husks, which inherit them.
  Status OpenTerminals() {
    for (const ProcessState& process : image_.processes) {
      if (process.controlling_terminal >= 0) TRY(SlaveOf(process.controlling_terminal));
    }
    return {};
  }

  Status TakeTerminal(size_t index) {
    int32_t terminal = image_.processes[index].controlling_terminal;
    int slave = terminal < 0 ? -1 : TRY(SlaveOf(terminal));
    if (slave < 0) return {};
    uint64_t result = TRY(
        processes_[index]->Call(MakeCall(Sys::ioctl, static_cast<uint64_t>(slave), TIOCSCTTY, 0)));
    if (CallFailed(result)) {
      return Error(static_cast<int>(-result), "can't get its controlling terminal",
                   processes_[index]->pid());
    }
    return {};
  }

  // The pid that a process has now; 0: it isn't of the tree.
  pid_t PresentPid(pid_t pid) const {
    auto process = std::ranges::find(image_.processes, pid, &ProcessState::pid);
    if (process == image_.processes.end()) return 0;
    return processes_[static_cast<size_t>(process - image_.processes.begin())]->pid();
  }

  // Which group has its terminal in front is its session leader's to say; if that isn't of the
  // tree, we are in its place.
  Status SetForeground(size_t index) {
    const ProcessState& state = image_.processes[index];
    int slave = state.controlling_terminal < 0 ? -1 : TRY(SlaveOf(state.controlling_terminal));
    pid_t group = sessions_.PresentGroup(state.foreground_group);
    if (slave < 0) return {};
    if (state.session == state.pid && group != 0) {
      ByteSpan bytes(reinterpret_cast<const uint8_t*>(&group), sizeof group);
      RestoredProcess& leader = *processes_[index];
      uint64_t result = TRY(leader.CallWith(
          bytes, MakeCall(Sys::ioctl, static_cast<uint64_t>(slave), TIOCSPGRP, leader.scratch())));
      if (CallFailed(result)) {
        return Error(static_cast<int>(-result),
                     "can't put a process group in front of its terminal", leader.pid());
      }
    }
    if (index == 0 && PresentPid(state.session) == 0) {
      if (group == 0) group = getpgid(processes_[0]->pid());
      if (tcsetpgrp(slave, group) != 0)
        return ErrnoError("can't put process group {} in front of its terminal", group);
    }
    return {};
  }

  Status StartAll() {
    TRY(sessions_.StartAll(material_));
    for (size_t i = 0; i < processes_.size(); ++i) TRY(SetForeground(i));
    return OpenPidfds();
  }

  static bool StandsForOneOfTree(const OpenFile& file) {
    return file.pidfd && file.pidfd->pid != -1;
  }

  // Before the husks, which inherit the pair of sockets.
  Status PreparePidfds() {
    if (std::ranges::none_of(image_.open_files, StandsForOneOfTree)) return {};
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
      return ErrnoError("can't make a pair of sockets");
    Fd ours(pair[0]), theirs(pair[1]);
    TRY(Keep(ours, material_.passing));
    return Keep(theirs, material_.passing);
  }

  // Now that the processes are there that they stand for.
  Status OpenPidfds() {
    auto replaced = ReplacedFiles();
    for (size_t i = 0; i < image_.open_files.size(); ++i) {
      const OpenFile& file = image_.open_files[i];
      if (!StandsForOneOfTree(file) || replaced.contains(static_cast<uint32_t>(i))) continue;
      Fd pidfd(PidfdOpen(PresentPid(file.pidfd->pid), PidfdFlags(file)));
      if (!pidfd) return ErrnoError("can't open a descriptor of process {}", file.pidfd->pid);
      for (size_t holder = 0; holder < processes_.size(); ++holder) {
        const auto& held = image_.processes[holder].descriptors.descriptors;
        if (std::ranges::find(held, i, &Descriptor::file) != held.end())
          TRY(processes_[holder]->Pass(pidfd.get(), material_.open_files[i]));
      }
    }
    return {};
  }

  // When all are there that a description may signal.
  Status RestoreSignals() {
    PresentId present = [&](int type, pid_t id) -> pid_t {
      if (type == F_OWNER_PGRP) return sessions_.PresentGroup(id);
      if (type != F_OWNER_TID) return PresentPid(id);
      for (size_t i = 0; i < processes_.size(); ++i) {
        pid_t tid = processes_[i]->PresentTid(image_.processes[i], id);
        if (tid != 0) return tid;
      }
      return 0;
    };
    for (size_t i = 0; i < image_.open_files.size(); ++i)
      TRY(RestoreIoSignals(material_.open_files[i], image_.open_files[i], present));
    return {};
  }

  Status Build(size_t index) {
    if (IsZombie(index)) return {};
    RestoredProcess& process = *processes_[index];
    const ProcessState& state = image_.processes[index];
    TRY(process.BuildMemory(image_, state, checkpoint_));
    if (index == 0 && image_.asked_at != 0)
      TRY(TellRestored(process.memory(), image_.asked_at, options_.image));
    TRY(process.BuildDescriptors(image_, state));
    TRY(process.BuildState(state));
    TRY(SetFromOutside(process.pid(), state));
    return process.BuildTasks(state);
  }

  Status SetFromOutside(pid_t pid, const ProcessState& state) {
    if (state.core_filter != 0)
      TRY(WriteWhole(fmt::format("/proc/{}/coredump_filter", pid),
                     fmt::format("{:#x}", state.core_filter)));
    auto present = ReadProcFile(pid, "oom_score_adj");
    if ((present.ok() ? strtol(present->c_str(), nullptr, 10) : 0) != state.oom_score_adjustment)
      TRY(WriteWhole(fmt::format("/proc/{}/oom_score_adj", pid),
                     fmt::format("{}", state.oom_score_adjustment)));
    return {};
  }

  CheckpointReader& checkpoint_;
  const CheckpointImage& image_;
  const RestoreOptions& options_;
  const std::function<void()>& outlive_;
  RestoreMaterial material_;
  std::vector<Fd> files_, held_;
  std::map<int32_t, int> slaves_;  // by the index that the pseudoterminal had
  RestoredSessions::Processes processes_;
  RestoredSessions sessions_;
};

// An ordinary user's processes are all his, and of his groups.
Status CheckUser(const CheckpointImage& image) {
  int count = getgroups(0, nullptr);
  std::vector<gid_t> own(static_cast<size_t>(std::max(count, 0)));
  if (getgroups(count, own.data()) != count) return ErrnoError("can't read the groups one is in");
  std::ranges::sort(own);
  auto are_all = [](const std::vector<uint32_t>& ids, uint32_t id) {
    return std::ranges::all_of(ids, [&](uint32_t other) { return other == id; });
  };
  auto check = [&](pid_t pid, const Credentials& credentials) -> Status {
    std::vector<uint32_t> groups = credentials.groups;
    std::ranges::sort(groups);
    if (are_all(credentials.uids, getuid()) && are_all(credentials.gids, getgid()) && groups == own)
      return {};
    return Error(EPERM,
                 "it had another user or other groups than this command has: to set them takes "
                 "CAP_SETUID and CAP_SETGID",
                 pid);
  };
  for (const ProcessState& process : image.processes) {
    if (process.condition == ProcessCondition::kZombie)
      TRY(check(process.pid, process.credentials));
    for (const TaskState& task : process.tasks) TRY(check(process.pid, task.credentials));
  }
  return {};
}

// Whether nobody has their pids. What has ended and waits to be reaped holds its pid until then:
// not for long, if its parent is init.
bool AreFree(const CheckpointImage& image) {
  constexpr int kBound = 5'000;  // ms
  int64_t deadline = MonotonicMilliseconds() + kBound;
  auto is_free = [&](pid_t pid) {
    for (;;) {
      auto stat = ProcStat::Read(pid);
      if (!stat.ok() || stat->state() == 'X') return true;
      if (stat->state() != 'Z' || MonotonicMilliseconds() > deadline) return false;
      usleep(1'000);
    }
  };
  return std::ranges::all_of(AbsentLeaders(image), is_free) &&
         std::ranges::all_of(image.processes, [&](const ProcessState& process) {
           return is_free(process.pid) &&
                  std::ranges::all_of(process.tasks,
                                      [&](const TaskState& task) { return is_free(task.tid); });
         });
}

}  // namespace

std::string MismatchWith(const CheckpointImage& image, const ArchDescription& arch) {
  if (arch.id != HostArch().id) {
    return fmt::format("it holds {} processes, and this machine is {}", arch.name, HostArch().name);
  }
  auto page_size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (image.requirements.page_size != page_size) {
    return fmt::format("its processes have pages of {} bytes, and this kernel's have {}",
                       image.requirements.page_size, page_size);
  }
  std::set<std::string_view> present;
  for (const machine::CpuFeature& feature : machine::CpuFeatures()) {
    if (feature.present) present.insert(feature.name);
  }
  std::string missing;
  for (const std::string& feature : image.requirements.cpu_features) {
    if (!present.contains(feature)) missing += fmt::format(" {}", feature);
  }
  if (!missing.empty()) return fmt::format("this CPU lacks what its processes may use:{}", missing);
  return {};
}

Result<RestoredTree> RestoreTree(CheckpointReader& checkpoint, const RestoreOptions& options) {
  const CheckpointImage& image = checkpoint.image();
  std::string mismatch = MismatchWith(image, checkpoint.arch());
  if (!mismatch.empty()) return MakeError("it can't go on here: {}", mismatch);
  Rights rights = MayChoosePids() ? Rights::kAll : Rights::kOwnNamespace;
  std::vector<std::string> notes;
  if (rights != Rights::kAll) {
    TRY(CheckUser(image));
    Status entered = EnterUserNamespace();
    // New pids need no right.
    if (!entered.ok() && options.same_pids) {
      return MakeError("{}. `--pid new` does without", entered.error().Message());
    }
    if (!entered.ok()) {
      rights = Rights::kNone;
      notes.emplace_back(
          "/proc/PID/exe of what is restored leads to a program of retake's: to set it takes "
          "CAP_CHECKPOINT_RESTORE, or a user namespace");
    }
  }
  std::string clocks = TRY(EnterClocks(WantedShift(image)));
  if (!clocks.empty()) notes.push_back(std::move(clocks));
  bool all = rights == Rights::kAll;
  FirstOptions first{.new_pids = options.same_pids && (!all || !AreFree(image))};
  // Somebody has to lead the session that the terminal is of.
  bool led = std::ranges::any_of(image.processes, [&](const ProcessState& process) {
    return process.pid == image.processes[0].session;
  });
  if (OutsideTerminal(image) != nullptr && !led) first.terminal = options.terminal;
  Elders elders = EldersOf(image);
  if (options.same_pids && (first.new_pids || AreFree(elders))) first.elders = elders;
  auto restore = [&](bool for_parent, const std::function<void()>& outlive) {
    return Restorer(checkpoint, options, rights, for_parent, first.elders, outlive).Restore();
  };
  RestoredTree tree;
  if (first.new_pids || first.elders.any() || OutsideTerminal(image) != nullptr) {
    tree = TRY(RestoreUnderFirst(first, restore));
  } else if (options.detached) {
    tree.root = TRY(restore(false, OutliveParent)).pid;
  } else {
    tree = TRY(RestoreAside(restore));
  }
  tree.notes = std::move(notes);
  return tree;
}

const TerminalState* OutsideTerminal(const CheckpointImage& image) {
  for (const OpenFile& file : image.open_files) {
    if (file.terminal && file.terminal->outside) return &*file.terminal;
  }
  return nullptr;
}

}  // namespace retake
