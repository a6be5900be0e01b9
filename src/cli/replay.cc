// retake replay: replays a trace and ends as the recorded program ended.
#include <fmt/format.h>
#include <sys/wait.h>

#include <cstdio>

#include "cli/command_line.h"
#include "cli/ending.h"
#include "cli/report.h"
#include "replay/replayer.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

struct Ending {
  Reason reason = Reason::kFailed;
  std::string message;  // empty: the program's own ending, as `status` says
  int wait_status = 0;
};

Ending EndingOf(const ReplayOutcome& outcome) {
  if (!outcome.failure.empty()) {
    return {.reason = outcome.diverged ? Reason::kDivergence : Reason::kTraceEnds,
            .message = outcome.failure};
  }
  if (!outcome.wait_status.has_value()) {
    return {.reason = Reason::kTraceEnds,
            .message = "the trace doesn't hold the end of the program's first process"};
  }
  return {.wait_status = *outcome.wait_status};
}

Result<ReplayOutcome> ReplayNamed(const std::string& path, const ReplayOptions& options) {
  std::unique_ptr<TraceReader> trace = TRY(TraceReader::Open(path));
  return Replay(*trace, options);
}

int Finish(const std::string& status_file, StatusReport report, const Ending& ending) {
  report.verb = "replay";
  if (!ending.message.empty()) {
    report.kind = ReasonWord(ending.reason);
    report.message = ending.message;
  } else if (WIFSIGNALED(ending.wait_status)) {
    report.signal = WTERMSIG(ending.wait_status);
  } else {
    report.exit_status = WEXITSTATUS(ending.wait_status);
  }
  if (Status written = WriteStatusFile(status_file, report); !written.ok()) {
    return Fail(written.error());
  }
  if (!ending.message.empty()) return Fail(ending.reason, ending.message);
  if (report.signal != 0) DieOf(report.signal);
  return report.exit_status;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  ReplayOptions options;
  std::string name, status_file;
  CommandLine line(verb);
  line.Flag("--check", &options.check,
            "Compare hashes of the program's memory with those in the trace too, wherever it has "
            "them.");
  line.Flag("-q,--quiet", &options.quiet, "Don't show the program's output again.");
  line.Option("--status-file", "FILE", &status_file, "Write how it ended to FILE, as JSON.");
  line.Argument("TRACE", false, &name);
  if (auto status = line.Parse(arguments)) return *status;

  StatusReport report;
  Result<std::string> path = ResolveTrace(name);
  if (!path.ok()) {
    return Finish(status_file, report, {.message = path.error().Message()});
  }
  report.trace = *path;
  Result<ReplayOutcome> outcome = ReplayNamed(*path, options);
  if (!outcome.ok()) {
    return Finish(status_file, report, {.message = outcome.error().Message()});
  }
  report.events = outcome->events;
  return Finish(status_file, report, EndingOf(*outcome));
}

}  // namespace

extern const Verb kReplayVerb;
constinit const Verb kReplayVerb = {
    .name = "replay",
    .summary = "have a recorded run again",
    .synopsis = "retake replay [TRACE] [--check] [-q] [--status-file FILE]",
    .description =
        "Replays TRACE: the program's code runs again, from the memory it began with,\n"
        "and every system call is answered from the trace. No system call of the\n"
        "program's is really made, no file of its is opened, nothing is sent anywhere;\n"
        "so replaying a trace that a stranger made is safe.\n"
        "\n"
        "What the program wrote to retake's standard output, standard error and\n"
        "terminal is shown again.\n"
        "\n"
        "TRACE is a directory, or the name of a trace of the store; by default the\n"
        "newest. At each event all registers are compared with those recorded. The\n"
        "first difference ends the replay with a report of what was expected, what was\n"
        "found, and where.",
    .exit_status =
        "That of the recorded program. If it was killed by a signal, retake dies of\n"
        "that signal.\n"
        "125  the replay failed, diverged, or the trace ends early; the last line on\n"
        "     standard error says which",
    .examples =
        "retake replay\n"
        "retake replay --check ls-1\n"
        "retake replay -q ./trace && echo it succeeds",
    .stands_for_program = true,
    .run = Run,
};

}  // namespace retake
