// retake verify: is a trace what was written?
#include <fmt/format.h>

#include <cstdio>

#include "cli/command_line.h"
#include "cli/report.h"
#include "replay/trace.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string name;
  line.Argument("TRACE", false, &name);
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> path = ResolveTrace(name);
  if (!path.ok()) return Fail(path.error());
  Result<std::unique_ptr<TraceReader>> trace = TraceReader::Open(*path);
  if (!trace.ok()) return Fail(Reason::kDamaged, trace.error().Message(), kExitNo);
  if (Status intact = (*trace)->Verify(); !intact.ok()) {
    return Fail(Reason::kDamaged, intact.error().Message(), kExitNo);
  }
  bool finished = (*trace)->manifest().end != TraceEnd::kUnfinished;
  fmt::print("{} is intact{}\n", *path,
             finished ? "" : " as far as it goes: its recorder still runs, or was killed");
  return kExitDone;
}

}  // namespace

extern const Verb kVerifyVerb;
constinit const Verb kVerifyVerb = {
    .name = "verify",
    .summary = "check that a trace is undamaged",
    .synopsis = "retake verify [TRACE]",
    .description =
        "Reads the whole trace and checks every checksum and the hash of every file\n"
        "content. Does not replay it; `retake replay --check` does.",
    .exit_status =
        "0    intact\n"
        "1    damaged, or not a trace; the last line on standard error says where\n"
        "2    a mistake in usage\n"
        "125  it could not be found",
    .examples = "retake verify ls-1",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
