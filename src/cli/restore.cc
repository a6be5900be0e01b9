// retake restore: processes of a checkpoint go on.
#include "snapshot/restore.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "cli/command_line.h"
#include "cli/ending.h"
#include "cli/report.h"
#include "cli/terminal_relay.h"
#include "snapshot/first_process.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

int EndAsProgram(RestoredTree& tree, std::unique_ptr<TerminalRelay> relay) {
  // The restored program is in front: what is sent to us is for it.
  PassSignalsOn(tree.signalled());
  if (relay != nullptr) relay->Run(tree.ending.get());
  // The caller's terminal is set as it was before this dies of a signal, as the program may have.
  relay.reset();
  Result<int> status = AwaitEnd(tree);
  if (!status.ok()) return Fail(status.error());
  return EndAs(*status);
}

void PrintNotes(const RestoredTree& tree) {
  for (const std::string& note : tree.notes) fmt::print(stderr, "retake: note: {}\n", note);
}

// Restores in a child that is nobody's once we have ended, and tells how it went.
int RestoreDetached(CheckpointReader& checkpoint, const RestoreOptions& options) {
  int ends[2];
  if (pipe(ends) != 0) return FailErrno("can't make a pipe");
  pid_t child = fork();
  if (child < 0) return FailErrno("can't fork");
  if (child == 0) {
    close(ends[0]);
    Result<RestoredTree> tree = RestoreTree(checkpoint, options);
    int status = tree.ok() ? kExitDone : Fail(tree.error());
    if (tree.ok()) PrintNotes(*tree);
    pid_t pid = tree.ok() ? tree->root : 0;
    if (write(ends[1], &pid, sizeof pid) != static_cast<ssize_t>(sizeof pid)) status = kExitFailure;
    _exit(status);
  }
  close(ends[1]);
  pid_t root = 0;
  ssize_t got = read(ends[0], &root, sizeof root);
  auto ended = ptracer::WaitOne(child, -1);
  bool done = ended.ok() && (*ended)->raw() == 0 && got == static_cast<ssize_t>(sizeof root);
  // It has said why.
  if (!done) return kExitFailure;
  fmt::print("{}\n", root);
  return kExitDone;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  RestoreOptions options;
  std::string file;
  std::string replacement;
  bool detach = false;
  size_t pids = 0;
  CommandLine line(verb);
  line.Flag("--detach", &detach,
            "Don't wait for the program: print the pid of its first process and return.");
  line.Choice("--pid", {"same", "new"}, &pids,
              "Whether its processes get the pids that they had (the default) or new ones.");
  line.Option("--replace-fd", "N=PATH", &replacement,
              "Open PATH for descriptor N instead of what it was.");
  line.Option("--relative-to", "DIR", &options.relative_to,
              "Look for the files that it had open under DIR.");
  line.Argument("FILE", true, &file);
  if (auto status = line.Parse(arguments)) return *status;
  options.same_pids = pids == 0;
  if (!replacement.empty()) {
    size_t equals = replacement.find('=');
    auto number = ParseNumber(std::string_view(replacement).substr(0, equals));
    if (equals == std::string::npos || !number)
      return Fail(Reason::kUsage, "--replace-fd takes N=PATH", kExitFailure);
    options.replaced_fds[*number] = replacement.substr(equals + 1);
  }

  auto checkpoint = CheckpointReader::Open(file);
  if (!checkpoint.ok()) return Fail(Reason::kFailed, checkpoint.error().Message());
  options.detached = detach;
  std::error_code ignored;
  options.image = std::filesystem::absolute(file, ignored);
  if (detach) return RestoreDetached(**checkpoint, options);
  std::unique_ptr<TerminalRelay> relay;
  if (const TerminalState* terminal = OutsideTerminal((*checkpoint)->image())) {
    auto made = TerminalRelay::Create(*terminal);
    if (!made.ok()) return Fail(made.error());
    relay = std::move(*made);
    options.terminal = relay->master();
  }
  HoldSignals();
  Result<RestoredTree> tree = RestoreTree(**checkpoint, options);
  if (!tree.ok()) {
    relay.reset();
    return Fail(Reason::kFailed, fmt::format("can't restore {}: {}", file, tree.error().Message()));
  }
  PrintNotes(*tree);
  checkpoint->reset();
  return EndAsProgram(*tree, std::move(relay));
}

}  // namespace

extern const Verb kRestoreVerb;
constinit const Verb kRestoreVerb = {
    .name = "restore",
    .summary = "let processes of a checkpoint go on",
    .synopsis =
        "retake restore FILE [--detach] [--pid same|new] [--replace-fd N=PATH]\n"
        "               [--relative-to DIR]",
    .description =
        "Starts the processes that `retake checkpoint` kept in FILE, as they were: with\n"
        "their memory, threads, open files and pids. They go on at the instruction that\n"
        "they were at. FILE stays as it is and can be restored again.\n"
        "\n"
        "Without --detach retake stays in front and ends as the program ends; signals\n"
        "sent to it go to the program.\n"
        "\n"
        "Files are opened under the names that they had. One that holds something else\n"
        "by now is handled as was said when the checkpoint was taken (--files).\n"
        "\n"
        "The processes get the pids that they had. That takes CAP_CHECKPOINT_RESTORE, and\n"
        "that nobody has them; else they live in a pid namespace of their own, an ordinary\n"
        "user's in a user namespace too. From outside they have other pids then, as\n"
        "--detach prints them. --pid new does without, for programs that don't remember\n"
        "pids.\n"
        "\n"
        "Processes outside of the tree that it knows by pid, the parent of its first one\n"
        "and the leaders of that one's session and group, are stood in for by processes\n"
        "of retake's with their pids, if these are free.\n"
        "\n"
        "A program that had a terminal gets a new one, relayed to the one that retake is\n"
        "run in, or else to its standard input and output.",
    .exit_status =
        "That of the restored program's first process. If it was killed by a signal,\n"
        "retake dies of that signal.\n"
        "125  the restore failed, and nothing of it is left; the last line on standard\n"
        "     error says why",
    .examples =
        "retake restore job.checkpoint\n"
        "retake restore --detach job.checkpoint",
    .stands_for_program = true,
    .run = Run,
};

}  // namespace retake
