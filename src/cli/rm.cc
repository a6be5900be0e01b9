// retake rm: removes traces.
#include "cli/command_line.h"
#include "cli/report.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

// By name, so that one that can't be removed doesn't keep the others.
int Remove(const std::vector<std::string>& names) {
  int status = kExitDone;
  for (const std::string& name : names) {
    Result<std::string> path = ResolveTrace(name);
    if (!path.ok()) {
      status = Fail(path.error());
    } else if (Status removed = RemoveTrace(*path); !removed.ok()) {
      status = Fail(removed.error());
    }
  }
  return status;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::vector<std::string> names;
  bool all = false;
  line.Flag("--all", &all, "Remove every trace of the store.");
  line.Arguments("TRACE", false, &names);
  if (auto status = line.Parse(arguments)) return *status;

  if (all == !names.empty()) {
    return Fail(Reason::kUsage, "rm: name the traces to remove, or say --all", kExitUsage);
  }
  if (!all) return Remove(names);
  Result<std::vector<std::string>> every = ListTraces();
  if (!every.ok()) return Fail(every.error());
  return Remove(*every);
}

}  // namespace

extern const Verb kRmVerb;
constinit const Verb kRmVerb = {
    .name = "rm",
    .summary = "remove traces",
    .synopsis =
        "retake rm TRACE...\n"
        "retake rm --all",
    .description =
        "Removes traces, by name or path. Refuses what is no trace. Contents of files\n"
        "stay in the cache, ${XDG_CACHE_HOME:-~/.cache}/retake, which may be emptied\n"
        "at any time.",
    .exit_status = "0, 2 for a mistake in usage, 125 if any could not be removed.",
    .examples =
        "retake rm ls-1 ls-2\n"
        "retake rm latest",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
