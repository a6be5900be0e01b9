#include "snapshot/checkpoint.h"

#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "snapshot/asker.h"
#include "snapshot/capture_memory.h"
#include "snapshot/capture_process.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/confinement.h"
#include "snapshot/descriptors.h"
#include "snapshot/file_contents.h"
#include "snapshot/frozen_tree.h"
#include "snapshot/kept_files.h"
#include "snapshot/machine_clocks.h"
#include "snapshot/saved_pages.h"
#include "snapshot/sessions.h"
#include "tracee/proc_files.h"

namespace retake {
namespace {

// Tells the process that has asked for its checkpoint.
Status Answer(const CheckpointOptions& options, int32_t state) {
  TaskMemory memory = TRY(TaskMemory::Open(options.pid));
  return AnswerAsker(memory, options.asked_at, state);
}

class Checkpoint {
 public:
  // `last_try`: takes it even if it could be better a moment later.
  Checkpoint(const CheckpointOptions& options, bool last_try)
      : options_(options),
        last_try_(last_try),
        objects_(image_.shared_objects),
        regions_(image_, objects_),
        descriptors_(
            {.skipped = options.skipped_fds, .outside = Outside(options), .sharing = &sharing_},
            objects_, image_.open_files, image_.losses) {}

  Result<CheckpointReport> Take() {
    // A file that can't be made is found out before anything is stopped.
    if (!options_.path.empty()) {
      writer_ = TRY(CheckpointWriter::Create(options_.path, {options_.level, options_.sync}));
      TRY(room_.Prepare(ExpectedBytes(options_.pid)));
    }
    tree_ = TRY(FrozenTree::Freeze(options_.pid, options_.descendants));
    TRY(CaptureAll());
    bool may_wait = writer_ != nullptr && !last_try_;
    if (may_wait && std::ranges::any_of(image_.processes, StandsInVdso)) {
      Release();
      return CheckpointReport{.in_vdso = true};
    }
    // They may write to some as soon as they go on.
    if (keeps_files()) TRY(KeepFiles(FilesToKeep::kWritten, image_, *writer_));
    if (GoesOnAtOnce() && !IsHeld()) Release();
    for (size_t i = 0; i < memories_.size(); ++i) {
      if (memories_[i] != nullptr) TRY(memories_[i]->Complete(image_.processes[i], image_.losses));
      objects_.Describe(image_.processes[i].memory);
    }
    descriptors_.FindOutside();
    CheckpointReport report;
    report.losses = image_.losses;
    report.processes = image_.processes.size();
    for (const ProcessState& process : image_.processes) report.tasks += process.tasks.size();
    if (writer_ == nullptr || !MayLose(report.losses)) {
      Release();
      report.pause = tree_->pause();
      return report;
    }
    // In the time that the pages are compressed in.
    ContentHashing contents(image_);
    TRY(WritePages());
    if (keeps_files()) TRY(KeepFiles(FilesToKeep::kRead, image_, *writer_));
    // What shall end or stay stopped does so when the file is there.
    if (options_.after == AfterCheckpoint::kRunning) Release();
    image_.pause = tree_->pause();
    contents.Finish(image_);
    report.bytes = TRY(writer_->Finish(image_));
    report.written = true;
    // If it has ended meanwhile, nobody waits.
    if (options_.asked_at != 0) (void)Answer(options_, kAskerWritten);
    if (options_.after == AfterCheckpoint::kStopped) tree_->LeaveStopped();
    if (options_.after == AfterCheckpoint::kKilled) {
      descriptors_.ResetConnections();
      tree_->Kill();
      descriptors_.LeaveConnections();
    }
    report.pause = tree_->pause();
    return report;
  }

 private:
  static OutsideConnections Outside(const CheckpointOptions& options) {
    if (options.close_tcp) return OutsideConnections::kClose;
    if (options.after != AfterCheckpoint::kKilled) return OutsideConnections::kName;
    return options.path.empty() ? OutsideConnections::kLook : OutsideConnections::kHold;
  }

  void Release() {
    descriptors_.LetConnectionsGo();
    tree_->Release();
  }

  bool MayLose(const Losses& losses) const {
    return losses.empty() ||
           (options_.accept_losses && std::ranges::all_of(losses, &Loss::forcible));
  }

  bool keeps_files() const { return writer_ != nullptr && options_.keep_files; }

  bool GoesOnAtOnce() const {
    return writer_ != nullptr && options_.after == AfterCheckpoint::kRunning;
  }

  bool IsHeld() const {
    return std::ranges::any_of(image_.processes, [](const ProcessState& process) {
      return process.pages_taken == PagesTaken::kHeld;
    });
  }

  // What is likely to be read within the pause, as far as that can be told before.
  uint64_t ExpectedBytes(pid_t pid) const {
    constexpr uint64_t kMost = 64 << 20;
    constexpr uint64_t kKiB = 1024;
    auto status = ProcStatus::Read(pid);
    if (!status.ok() || !GoesOnAtOnce()) return 0;
    uint64_t own = status->Number("RssAnon") * kKiB;
    uint64_t bytes = status->Number("RssShmem") * kKiB;
    if (own <= ProcessMemory::kSavedAtMost) bytes += own;
    if (options_.descendants) {
      for (pid_t tid : TasksOf(pid)) {
        for (pid_t child : ChildrenOf(pid, tid)) bytes += ExpectedBytes(child);
      }
    }
    return std::min(bytes, kMost);
  }

  Status CaptureAll() {
    image_.files = options_.files;
    image_.asked_at = options_.asked_at;
    image_.taken_at = ClockNanoseconds(CLOCK_REALTIME);
    image_.monotonic_at = ClockNanoseconds(CLOCK_MONOTONIC);
    image_.boottime_at = ClockNanoseconds(CLOCK_BOOTTIME);
    std::vector<pid_t> living, zombies;
    for (const FrozenProcess& frozen : tree_->processes()) {
      if (frozen.zombie) {
        image_.processes.push_back(TRY(CaptureZombie(frozen.pid)));
        zombies.push_back(frozen.pid);
        memories_.emplace_back();
      } else {
        TRY(CaptureLiving(frozen));
        living.push_back(frozen.tasks[0].tid);
      }
      image_.processes.back().parent = static_cast<uint32_t>(frozen.parent);
    }
    TRY(FindSharing(living, sharing_, image_.losses));
    image_.leaderless = !ProcStat::Read(image_.processes[0].session).ok();
    FindLostSessions(image_.processes, image_.losses);
    auto tables = TRY(descriptors_.Tables(living, zombies));
    size_t next = 0;
    for (ProcessState& process : image_.processes) {
      if (process.condition != ProcessCondition::kZombie)
        process.descriptors = std::move(tables.at(next++));
    }
    if (!living.empty()) CaptureClocks(living[0], living, image_);
    if (writer_ != nullptr) {
      HashWrittenFiles(image_);
      TRY(objects_.Save(room_));
    }
    return CaptureRequirements();
  }

  Status CaptureLiving(const FrozenProcess& frozen) {
    auto memory = TRY(ProcessMemory::Open(frozen.tasks[0].tid, room_, GoesOnAtOnce()));
    if (image_.requirements.vdso.empty()) TRY(KeepVdso(memory->memory(), memory->mappings()));
    ProcessState state = TRY(CaptureProcess(frozen, *memory, image_.losses));
    TRY(regions_.AddRegions(memory->memory(), memory->mappings(), state));
    TRY(memory->Save(state, image_.losses));
    sharing_.AddProcess(frozen.pid, frozen.tasks[0], memory->memory(), memory->mappings());
    image_.processes.push_back(std::move(state));
    memories_.push_back(std::move(memory));
    return {};
  }

  Status KeepVdso(const TaskMemory& memory, const std::vector<Mapping>& mappings) {
    const Mapping* mapping = FindVdso(mappings);
    if (mapping == nullptr) return {};
    std::vector<uint8_t>& vdso = image_.requirements.vdso;
    vdso.resize(mapping->size());
    if (!memory.Read(mapping->start, vdso.data(), vdso.size()))
      return Error(0, "its vDSO can't be read", memory.pid());
    return {};
  }

  Status CaptureRequirements() {
    Requirements& needs = image_.requirements;
    needs.page_size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    utsname names{};
    uname(&names);
    needs.kernel = names.release;
    needs.cpu = machine::CpuModel();
    for (const machine::CpuFeature& feature : machine::CpuFeatures()) {
      if (feature.present) needs.cpu_features.emplace_back(feature.name);
    }
    for (const ProcessState& process : image_.processes) {
      if (!process.tasks.empty()) needs.vector_bytes = process.tasks[0].vector_state.size();
    }
    return {};
  }

  Status WritePages() {
    for (size_t i = 0; i < image_.processes.size(); ++i) {
      if (memories_[i] != nullptr) TRY(memories_[i]->Write(image_.processes[i], *writer_));
    }
    return objects_.Write(*writer_);
  }

  const CheckpointOptions& options_;
  bool last_try_;
  CheckpointImage image_;
  SharedObjects objects_;
  RegionFinder regions_;
  SharingProbe sharing_;
  std::unique_ptr<FrozenTree> tree_;  // goes on after its connections
  DescriptorCapture descriptors_;
  PageRoom room_;
  std::unique_ptr<CheckpointWriter> writer_;
  std::vector<std::unique_ptr<ProcessMemory>> memories_;  // per process; null for zombies
};

Result<CheckpointReport> TryUntilTaken(const CheckpointOptions& options) {
  // The naps between looks for a stop are part of the pause.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  // What is on its way from one to another is in nobody's hands: a moment later it is somewhere
  // else. Until then, who has it may not be known either.
  constexpr int kBound = 3'000;  // ms
  constexpr int kLongestNap = 20;
  int64_t deadline = MonotonicMilliseconds() + kBound;
  auto is = [](LossNature nature) {
    return [nature](const Loss& loss) { return loss.nature == nature; };
  };
  constexpr int kTriesOutsideVdso = 10;
  for (int tries = 1;; ++tries) {
    CheckpointReport report = TRY(Checkpoint(options, tries > kTriesOutsideVdso).Take());
    if (report.in_vdso) continue;
    bool again = !options.path.empty() && !report.written && MonotonicMilliseconds() < deadline &&
                 std::ranges::any_of(report.losses, is(LossNature::kPassing)) &&
                 std::ranges::none_of(report.losses, is(LossNature::kCertain));
    if (!again) return report;
    usleep(static_cast<useconds_t>(std::min(tries, kLongestNap)) * 1'000);
  }
}

}  // namespace

Result<CheckpointReport> TakeCheckpoint(const CheckpointOptions& options) {
  Result<CheckpointReport> report = TryUntilTaken(options);
  if (options.asked_at == 0 || (report.ok() && report->written)) return report;
  int code = report.ok() ? EOPNOTSUPP : report.error().code();
  (void)Answer(options, code > 0 ? -code : -EIO);
  return report;
}

}  // namespace retake
