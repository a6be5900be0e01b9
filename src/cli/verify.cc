// retake verify: is a trace, or a checkpoint, what was written?
#include <fmt/format.h>

#include <cstdio>

#include "archive/archive.h"
#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/report.h"
#include "replay/trace.h"
#include "replay/trace_store.h"
#include "snapshot/checkpoint_file.h"

namespace retake {
namespace {

int VerifyCheckpoint(const std::string& path) {
  auto checkpoint = CheckpointReader::Open(path);
  if (!checkpoint.ok()) return Fail(Reason::kDamaged, checkpoint.error().Message(), kExitNo);
  if (Status intact = (*checkpoint)->Verify(); !intact.ok()) {
    return Fail(Reason::kDamaged, fmt::format("{} is damaged: {}", path, intact.error().Message()),
                kExitNo);
  }
  fmt::print("{} is intact\n", path);
  return kExitDone;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string name;
  line.Argument("TRACE|FILE", false, &name);
  if (auto status = line.Parse(arguments)) return *status;

  if (ContentOf(name) == ArchiveContent::kCheckpoint) return VerifyCheckpoint(name);
  Result<std::string> path = ResolveTrace(name);
  if (!path.ok()) return Fail(path.error());
  Result<std::unique_ptr<TraceReader>> trace = TraceReader::Open(*path);
  if (!trace.ok()) return Fail(Reason::kDamaged, trace.error().Message(), kExitNo);
  if (Status intact = (*trace)->Verify(); !intact.ok()) {
    return Fail(Reason::kDamaged, intact.error().Message(), kExitNo);
  }
  const TraceManifest& manifest = (*trace)->manifest();
  std::string as_far;
  if (manifest.end == TraceEnd::kUnfinished)
    as_far = " as far as it goes: " + DescribeEnd(manifest, (*trace)->is_being_written());
  fmt::print("{} is intact{}\n", *path, as_far);
  return kExitDone;
}

}  // namespace

extern const Verb kVerifyVerb;
constinit const Verb kVerifyVerb = {
    .name = "verify",
    .summary = "check that a trace or a checkpoint is undamaged",
    .synopsis = "retake verify [TRACE|FILE]",
    .description =
        "Reads the whole trace and checks every checksum and the hash of every file\n"
        "content. Does not replay it; `retake replay --check` does. Of a checkpoint\n"
        "FILE it reads and checks all, too.",
    .exit_status =
        "0    intact\n"
        "1    damaged, or neither of both; the last line on standard error says where\n"
        "2    a mistake in usage\n"
        "125  it could not be found",
    .examples =
        "retake verify ls-1\n"
        "retake verify job.checkpoint",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
