// retake dump: the events of a trace, one a line.
#include <fmt/format.h>

#include <cstdio>

#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/event_text.h"
#include "cli/report.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

int Dump(TraceReader& trace, bool as_json) {
  EventDescriber describer(trace);
  Event event;
  while (true) {
    Result<TraceReader::Next> next = trace.ReadEvent(event);
    if (!next.ok()) return Fail(Reason::kDamaged, next.error().Message());
    if (*next == TraceReader::Next::kEnd) return kExitDone;
    if (*next == TraceReader::Next::kCut) return Fail(Reason::kTraceEnds, trace.cut_reason());
    std::string text = as_json ? JsonText(describer.Json(event)) : describer.Text(event);
    text += '\n';
    if (fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
      return FailErrno("can't write to standard output");
    }
  }
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string name;
  bool as_json = false;
  line.Flag("--json", &as_json, "Print one JSON object per event and line.");
  line.Argument("TRACE", false, &name);
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> path = ResolveTrace(name);
  if (!path.ok()) return Fail(path.error());
  Result<std::unique_ptr<TraceReader>> trace = TraceReader::Open(*path);
  if (!trace.ok()) return Fail(trace.error());
  return Dump(**trace, as_json);
}

}  // namespace

extern const Verb kDumpVerb;
constinit const Verb kDumpVerb = {
    .name = "dump",
    .summary = "print a trace's events, as strace would",
    .synopsis = "retake dump [TRACE] [--json]",
    .description =
        "Prints each event of TRACE (by default the newest) as a line, in the order in\n"
        "which they happened:\n"
        "\n"
        "[PID] call(arguments) = result       a system call\n"
        "[PID] call(arguments <unfinished ...>  one that blocked, and\n"
        "[PID] <... resumed> call(...) = ...  its end\n"
        "[PID] --- SIGCHLD {...} ---          a signal\n"
        "[PID] +++ exited with 0 +++          the end of a process\n"
        "[PID] === ... ===                    everything else: a program's start, a new\n"
        "                                     process, a time-stamp read\n"
        "\n"
        "A trace of another architecture is printed too.",
    .exit_status = "0, or 125 if the trace is damaged or ends early; what there is comes first.",
    .examples =
        "retake dump | grep openat\n"
        "retake dump --json ls-1 | jq -r 'select(.kind == \"syscall\") | .call' |\n"
        "    sort | uniq -c",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
