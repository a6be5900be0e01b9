#include "snapshot/checkpoint.h"

#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "snapshot/capture_memory.h"
#include "snapshot/capture_process.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/confinement.h"
#include "snapshot/descriptors.h"
#include "snapshot/frozen_tree.h"
#include "snapshot/smaps.h"

namespace retake {
namespace {

class Checkpoint {
 public:
  explicit Checkpoint(const CheckpointOptions& options)
      : options_(options), objects_(image_.shared_objects), memory_(image_, objects_) {}

  Result<CheckpointReport> Take() {
    // A file that can't be made is found out before anything is stopped.
    if (!options_.path.empty())
      writer_ = TRY(CheckpointWriter::Create(options_.path, {options_.level, options_.sync}));
    tree_ = TRY(FrozenTree::Freeze(options_.pid, options_.descendants));
    TRY(CaptureAll());
    CheckpointReport report;
    report.losses = image_.losses;
    report.processes = image_.processes.size();
    for (const ProcessState& process : image_.processes) report.tasks += process.tasks.size();
    if (writer_ == nullptr || !MayLose(report.losses)) {
      tree_->Release();
      report.pause = tree_->pause();
      return report;
    }
    TRY(WritePages());
    // What shall end or stay stopped does so when the file is there.
    if (options_.after == AfterCheckpoint::kRunning) tree_->Release();
    image_.pause = tree_->pause();
    report.bytes = TRY(writer_->Finish(image_));
    report.written = true;
    if (options_.after == AfterCheckpoint::kStopped) tree_->LeaveStopped();
    if (options_.after == AfterCheckpoint::kKilled) tree_->Kill();
    report.pause = tree_->pause();
    return report;
  }

 private:
  bool MayLose(const Losses& losses) const {
    return losses.empty() ||
           (options_.accept_losses && std::ranges::all_of(losses, &Loss::forcible));
  }

  Status CaptureAll() {
    image_.files = options_.files;
    image_.taken_at = ClockNanoseconds(CLOCK_REALTIME);
    image_.monotonic_at = ClockNanoseconds(CLOCK_MONOTONIC);
    image_.boottime_at = ClockNanoseconds(CLOCK_BOOTTIME);
    std::vector<pid_t> living;
    for (const FrozenProcess& frozen : tree_->processes()) {
      if (frozen.zombie) {
        image_.processes.push_back(TRY(CaptureZombie(frozen.pid)));
        task_memory_.emplace_back();
      } else {
        TRY(CaptureLiving(frozen));
        living.push_back(frozen.pid);
      }
      image_.processes.back().parent = static_cast<uint32_t>(frozen.parent);
    }
    FindSharing(living, image_.losses);
    auto tables = TRY(CaptureDescriptors(living, {.skipped = options_.skipped_fds}, objects_,
                                         image_.open_files, image_.losses));
    size_t next = 0;
    for (ProcessState& process : image_.processes) {
      if (process.condition != ProcessCondition::kZombie)
        process.descriptors = std::move(tables.at(next++));
    }
    return CaptureRequirements();
  }

  Status CaptureLiving(const FrozenProcess& frozen) {
    auto memory = std::make_unique<TaskMemory>(TRY(TaskMemory::Open(frozen.pid)));
    memory->set_pid(frozen.tasks[0].tid);
    auto details = TRY(ReadSmaps(frozen.pid));
    std::vector<Mapping> mappings;
    mappings.reserve(details.size());
    for (const MappingDetails& detail : details) mappings.push_back(detail.mapping);
    if (image_.requirements.vdso.empty()) TRY(KeepVdso(*memory, mappings));
    ProcessState state = TRY(CaptureProcess(frozen, *memory, mappings, image_.losses));
    TRY(memory_.AddRegions(*memory, details, state, image_.losses));
    image_.processes.push_back(std::move(state));
    task_memory_.push_back(std::move(memory));
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
      if (task_memory_[i] == nullptr) continue;
      TRY(memory_.WritePages(*task_memory_[i], image_.processes[i], *writer_));
    }
    return objects_.Write(*writer_);
  }

  const CheckpointOptions& options_;
  CheckpointImage image_;
  SharedObjects objects_;
  MemoryCapture memory_;
  std::unique_ptr<CheckpointWriter> writer_;
  std::unique_ptr<FrozenTree> tree_;
  std::vector<std::unique_ptr<TaskMemory>> task_memory_;  // per process; null for zombies
};

}  // namespace

Result<CheckpointReport> TakeCheckpoint(const CheckpointOptions& options) {
  // The naps between looks for a stop are part of the pause.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  return Checkpoint(options).Take();
}

}  // namespace retake
