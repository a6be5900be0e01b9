// retake checkpoint: keeps running processes in a file, from which they can go on.
#include "snapshot/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "archive/archive.h"
#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/report.h"
#include "snapshot/restored_namespaces.h"

namespace retake {
namespace {

// zstd levels of --compress; fast is as fast as a disk writes.
constexpr int kFastLevel = 1;
constexpr int kSmallLevel = 12;

void PrintLosses(const Losses& losses, FILE* out) {
  for (const Loss& loss : losses) fmt::print(out, "{}\n", Describe(loss));
}

// "1 process, 3 tasks"
std::string DescribeCounts(const CheckpointReport& report) {
  return fmt::format("{} process{}, {} task{}", report.processes, report.processes == 1 ? "" : "es",
                     report.tasks, report.tasks == 1 ? "" : "s");
}

int FinishCheck(const CheckpointReport& report) {
  if (report.losses.empty()) {
    fmt::print("nothing would be lost: {}\n", DescribeCounts(report));
    return kExitDone;
  }
  PrintLosses(report.losses, stdout);
  return kExitLoss;
}

int Finish(const CheckpointOptions& options, const CheckpointReport& report, bool quiet) {
  if (!report.written) {
    PrintLosses(report.losses, stderr);
    bool forcible = std::ranges::all_of(report.losses, &Loss::forcible);
    return Fail(Reason::kLoss,
                fmt::format("a checkpoint of pid {} would lose what is listed above; nothing was "
                            "written{}",
                            options.pid, forcible ? " (--force takes it all the same)" : ""),
                kExitLoss);
  }
  PrintLosses(report.losses, stderr);
  if (!quiet) {
    fmt::print("{}: {}, {}, stood still for {:.1f} ms\n", options.path, DescribeCounts(report),
               DescribeSize(report.bytes), static_cast<double>(report.pause) / 1e6);
  }
  return kExitDone;
}

int FailToTake(pid_t pid, const Error& error, bool check) {
  return Fail(Reason::kFailed,
              fmt::format("can't {} pid {}: {}", check ? "check" : "take a checkpoint of", pid,
                          error.Message()));
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CheckpointOptions options;
  std::string pid_text, skipped, asked_at;
  bool check = false, no_tree = false, tree = false, no_sync = false, quiet = false;
  size_t leave = static_cast<size_t>(AfterCheckpoint::kRunning);
  size_t files = static_cast<size_t>(FilePolicy::kFail);
  size_t compress = 1;
  CommandLine line(verb);
  line.Option("-o,--output", "FILE", &options.path, "Write the checkpoint to FILE.");
  line.Flag("--tree", &tree, "Take PID and all its descendants (the default).");
  line.Flag("--no-tree", &no_tree, "Take PID alone, without its children.");
  line.Choice("--leave", {"running", "stopped", "killed"}, &leave,
              "What becomes of the processes afterwards. The default is running. They are stopped "
              "or killed only when the checkpoint is whole.");
  line.Flag("--check", &check,
            "Write nothing: say what a checkpoint would lose, or can't know whether it would.");
  line.Flag("--force", &options.accept_losses, "Take the checkpoint even if it loses something.");
  line.Option("--skip-fd", "N[,N...]", &skipped,
              "Leave descriptor N out: the restored program finds it closed.");
  line.Flag(
      "--tcp-close", &options.close_tcp,
      "Accept that TCP connections to elsewhere are lost: the restored program finds them reset.");
  line.Choice("--files", {"fail", "keep", "rewind"}, &files,
              "What a restore does when a file that was open or mapped isn't as it was: fail (the "
              "default), keep it as it is then, or rewind it: to the length it had or, with "
              "--self-contained, to what it held.");
  line.Flag("--self-contained", &options.keep_files,
            "Keep the mapped executables and libraries in FILE and, with --files rewind, the open "
            "files too: it can be restored where they have changed or are gone.");
  line.Choice("--compress", {"none", "fast", "small"}, &compress,
              "How to compress memory. The default is fast.");
  line.Flag("--no-fsync", &no_sync,
            "Don't wait until the checkpoint is on disk: a loss of power may lose it.");
  line.Flag("-q,--quiet", &quiet, "Say nothing if it succeeds.");
  line.Option("--asked-at", "ADDRESS", &asked_at,
              "PID has asked for this itself, by retake_checkpoint() of libretake, and waits at "
              "ADDRESS for how it went.");
  line.Argument("PID", true, &pid_text);
  if (auto status = line.Parse(arguments)) return *status;

  auto usage = [&](const std::string& message) {
    return Fail(Reason::kUsage, message, kExitUsage);
  };
  auto pid = ParseNumber(pid_text);
  if (!pid || *pid == 0) return usage(fmt::format("\"{}\" is no pid", pid_text));
  if (tree && no_tree) return usage("--tree and --no-tree exclude each other");
  if (!check && options.path.empty()) return usage("where to? -o FILE is missing");
  if (check) options.path.clear();
  for (size_t at = 0; at < skipped.size();) {
    size_t end = std::min(skipped.find(',', at), skipped.size());
    auto number = ParseNumber(std::string_view(skipped).substr(at, end - at));
    if (!number) return usage(fmt::format("--skip-fd takes numbers, not \"{}\"", skipped));
    options.skipped_fds.insert(*number);
    at = end + 1;
  }
  if (!asked_at.empty()) {
    auto [end, error] =
        std::from_chars(asked_at.data(), asked_at.data() + asked_at.size(), options.asked_at);
    if (error != std::errc() || end != asked_at.data() + asked_at.size())
      return usage(fmt::format("\"{}\" is no address", asked_at));
  }
  options.pid = *pid;
  options.descendants = !no_tree;
  options.after = static_cast<AfterCheckpoint>(leave);
  options.files = static_cast<FilePolicy>(files);
  options.level = compress == 0 ? kStoreOnly : compress == 1 ? kFastLevel : kSmallLevel;
  options.sync = !no_sync;

  auto take = [&] {
    Result<CheckpointReport> report = TakeCheckpoint(options);
    if (!report.ok()) return FailToTake(options.pid, report.error(), check);
    return check ? FinishCheck(*report) : Finish(options, *report, quiet);
  };
  std::optional<RestoredNamespaces> namespaces = RestoredNamespacesOf(*pid);
  if (!namespaces) return take();
  options.pid = namespaces->inside;
  Result<int> status = RunInside(*namespaces, take);
  return status.ok() ? *status : FailToTake(*pid, status.error(), check);
}

}  // namespace

extern const Verb kCheckpointVerb;
constinit const Verb kCheckpointVerb = {
    .name = "checkpoint",
    .summary = "keep running processes in a file, to go on from there later",
    .synopsis =
        "retake checkpoint PID -o FILE [--tree|--no-tree]\n"
        "                  [--leave running|stopped|killed] [--check] [--force]\n"
        "                  [--skip-fd N[,N...]] [--tcp-close] [--files fail|keep|rewind]\n"
        "                  [--self-contained] [--compress none|fast|small] [--no-fsync]\n"
        "                  [-q] [--asked-at ADDRESS]",
    .description =
        "Takes process PID and its descendants as they are at one instant: memory,\n"
        "registers, threads, open files, signals, timers. They need not have been\n"
        "started by retake, nothing is needed of them beforehand, and they don't\n"
        "notice. `retake restore FILE` lets them go on from there: after they have\n"
        "ended, after a reboot, as often as one likes. Restored ones can be taken again.\n"
        "\n"
        "The processes stand still while they are looked at. FILE appears under its\n"
        "name when it is whole, and not before.\n"
        "\n"
        "Nothing is lost silently: what can't be kept (a device, say) is listed, with its\n"
        "pid and descriptor, and then nothing is written, unless --force is given.\n"
        "\n"
        "TCP connections to processes elsewhere are kept with --leave killed, by who has\n"
        "CAP_NET_ADMIN and nft(8): the other ends wait, for their packets are held back\n"
        "by a table of nftables until the restore (`retake inspect FILE` names it).",
    .exit_status =
        "0    done; with --check: nothing would be lost\n"
        "2    a mistake in usage\n"
        "3    something would be lost, as listed\n"
        "125  it failed; the last line on standard error says why",
    .examples =
        "retake checkpoint 4711 -o job.checkpoint\n"
        "retake checkpoint --check $(pidof redis-server)\n"
        "retake checkpoint 4711 -o job.checkpoint --leave killed --compress small",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
