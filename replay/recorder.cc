#include "replay/recorder.h"

#include <fcntl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/fd.h"
#include "replay/note_cache.h"
#include "replay/recording.h"
#include "replay/trace_store.h"
#include "supervisor/filter.h"
#include "supervisor/launch.h"
#include "supervisor/own_traps.h"
#include "supervisor/supervisor.h"

namespace retake {
namespace {

TraceManifest MakeManifest(const RecordOptions& options, int cpu) {
  TraceManifest manifest;
  manifest.arch = HostArch().id;
  manifest.retake_version = RETAKE_VERSION;
  manifest.command = options.command;
  char directory[4096];
  if (getcwd(directory, sizeof directory) != nullptr) manifest.directory = directory;
  utsname system{};
  uname(&system);
  manifest.host = system.nodename;
  manifest.kernel = system.release;
  manifest.started = ClockNanoseconds(CLOCK_REALTIME) / 1'000'000'000;
  manifest.cpu = cpu;
  manifest.cpu_model = machine::CpuModel();
  for (const machine::CpuFeature& feature : machine::CpuFeatures()) {
    if (feature.present) manifest.cpu_features.emplace_back(feature.name);
  }
  manifest.portable = options.portable;
  manifest.planted_traps = !TimestampTrapWorks();
  manifest.page_size = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  manifest.tasks = 1;
  return manifest;
}

// The supervisor's side of one recording, from the program's seizing to the last task's end.
class Recorder {
 public:
  Recorder(const RecordOptions& options, EchoTargets echo) : options_(options), echo_(echo) {}

  Status Prepare(const LaunchedProgram& program) {
    started_ = MonotonicSeconds();
    trace_ = TRY(TraceWriter::Create(options_.directory, MakeManifest(options_, program.cpu)));
    RecordingOptions recording;
    recording.portable = options_.portable;
    recording.filtered = program.filtered;
    recording.echo = echo_;
    recording.affinity = program.affinity;
    recording.check_interval = options_.check_interval;
    notes_ = NoteCache::Open();
    recording.notes = notes_.get();
    recording.warn_now = [this](std::string_view warning) {
      Say(fmt::format("warning: {}", warning));
    };
    recording_ = std::make_unique<Recording>(recording, *trace_);
    SupervisorOptions supervising;
    supervising.portable = options_.portable;
    supervising.stop_at_every_call = program.filtered;
    supervising.no_new_privs = program.no_new_privs;
    supervising.cpu = program.cpu;
    supervising.cpus = program.affinity;
    supervising.notes = notes_.get();
    supervisor_ = std::make_unique<Supervisor>(supervising, *recording_);
    recording_->set_supervisor(*supervisor_);
    // Last: from here on the program dies with the supervisor, and then there must be a trace.
    Status seized = supervisor_->SeizeFirst(program.pid);
    if (!seized.ok()) trace_->Discard();
    return seized;
  }

  void Supervise() {
    OwnTimestampTrap trap;
    for (;;) {
      auto ended = supervisor_->Run();
      if (!ended.ok()) return GiveUp(ended.error().Message());
      if (*ended == Supervisor::RunEnd::kAllGone) return Finish();
      if (supervisor_->HasOthers() && !options_.wait) {
        ShowWarnings();
        Announce();
        LeaveCaller();
        if (Status go = supervisor_->LetFirstGo(); !go.ok() && !IsGone(go.error()))
          return GiveUp(go.error().Message());
        continue;
      }
      auto status = supervisor_->FinishFirst();
      if (!status.ok()) return GiveUp(status.error().Message());
    }
  }

 private:
  void Say(std::string_view text) {
    if (!attached_) return;
    std::string line = fmt::format("retake: {}\n", text);
    (void)!write(2, line.data(), line.size());
  }

  void ShowWarnings() {
    for (const std::string& warning : recording_->TakeWarnings()) Say("warning: " + warning);
  }

  // The first process has ended and its caller goes on; what still runs is recorded off its
  // terminal and pipes.
  void LeaveCaller() {
    attached_ = false;
    Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    for (int fd = 0; fd <= 2; ++fd) dup2(null.get(), fd);
  }

  void Announce() {
    if (options_.announce) Say(fmt::format("recorded in {}", options_.directory));
  }

  void Finish() {
    TraceManifest& manifest = trace_->manifest();
    if (!manifest.wait_status) {
      // The program never started: what there is says nothing.
      trace_->Discard();
      return;
    }
    manifest.end = TraceEnd::kComplete;
    manifest.seconds = MonotonicSeconds() - started_;
    Status finished = trace_->Finish();
    ShowWarnings();
    if (!finished.ok()) {
      Say(finished.error().Message());
    } else {
      Announce();
    }
    WriteStatusFile("", manifest.wait_status);
    supervisor_->ReapFirst();
  }

  // A failure of ours: the tree ends with 125, and the reason is the last line on stderr.
  void GiveUp(const std::string& reason) {
    auto close_trace = [&] {
      TraceManifest& manifest = trace_->manifest();
      manifest.end = TraceEnd::kStopped;
      manifest.reason = reason;
      manifest.seconds = MonotonicSeconds() - started_;
      (void)trace_->Finish();
      ShowWarnings();
      WriteStatusFile(reason, std::nullopt);
      Announce();
      Say("failed: " + reason);
    };
    if (options_.on_error == OnError::kStop) return supervisor_->EndTree(125, close_trace);
    close_trace();
    Say("the program goes on without being recorded");
    LeaveCaller();
    if (Status ran = supervisor_->RunUnrecorded(); !ran.ok()) supervisor_->EndTree(125, [] {});
  }

  void WriteStatusFile(const std::string& reason, std::optional<int> wait_status) {
    if (options_.status_file.empty()) return;
    nlohmann::json status;
    status["trace"] = options_.directory;
    status["complete"] = reason.empty();
    if (!reason.empty()) status["reason"] = reason;
    if (wait_status && WIFEXITED(*wait_status)) status["exit_status"] = WEXITSTATUS(*wait_status);
    if (wait_status && WIFSIGNALED(*wait_status)) status["signal"] = WTERMSIG(*wait_status);
    std::string text = status.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    Fd file(open(options_.status_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      Say(fmt::format("can't write {}: {}", options_.status_file, strerror(errno)));
    }
  }

  const RecordOptions& options_;
  EchoTargets echo_;
  double started_ = 0;
  bool attached_ = true;  // to the caller's stderr
  std::unique_ptr<NoteCache> notes_;
  std::unique_ptr<TraceWriter> trace_;
  std::unique_ptr<Recording> recording_;
  std::unique_ptr<Supervisor> supervisor_;
};

}  // namespace

int Record(const RecordOptions& options) {
  Launch launch;
  launch.command = options.command;
  Result<std::vector<sock_filter>> filter = BuildFilter(HostArch(), RecordFilter());
  if (!filter.ok()) {
    fmt::print(stderr, "retake: {}\n", filter.error().Message());
    return 125;
  }
  launch.filter = filter.TakeValue();
  // Under an outer filter calls are stopped by ptrace; ours then only catches what has no syscall
  // stop, or what such stops hide.
  bool hidden = machine::HiddenAtSyscallStops().has_value();
  filter =
      BuildFilter(HostArch(), UniformFilter(hidden ? Disposition::kStop : Disposition::kAllow));
  if (!filter.ok()) {
    fmt::print(stderr, "retake: {}\n", filter.error().Message());
    return 125;
  }
  launch.filter_when_filtered = filter.TakeValue();
  launch.filter_flags = PreferredFilterFlags();
  Recorder recorder(options, EchoTargets::OfThisProcess());
  return LaunchProgram(
      launch, [&](const LaunchedProgram& program) { return recorder.Prepare(program); },
      [&](const LaunchedProgram&) { recorder.Supervise(); });
}

}  // namespace retake
