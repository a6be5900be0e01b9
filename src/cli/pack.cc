// retake pack: makes one file of a trace.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "cli/command_line.h"
#include "cli/report.h"
#include "replay/trace_pack.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

// "ls-1.retake", from the trace's own name, `latest` followed.
std::string DefaultFile(const std::string& directory) {
  std::string path = directory;
  if (char* real = realpath(directory.c_str(), nullptr); real != nullptr) {
    path = real;
    free(real);
  }
  return path.substr(path.rfind('/') + 1) + ".retake";
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string name, file;
  line.Option("-o,--output", "FILE", &file, "Write to FILE instead of NAME.retake here.");
  line.Argument("TRACE", false, &name);
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> path = ResolveTrace(name);
  if (!path.ok()) return Fail(path.error());
  if (file.empty()) file = DefaultFile(*path);
  if (Status packed = PackTrace(*path, file); !packed.ok()) return Fail(packed.error());
  fmt::print("{}\n", file);
  return kExitDone;
}

}  // namespace

extern const Verb kPackVerb;
constinit const Verb kPackVerb = {
    .name = "pack",
    .summary = "make one file of a trace",
    .synopsis = "retake pack [TRACE] [-o FILE]",
    .description =
        "Writes TRACE, the contents of all files that it needs included, to one file,\n"
        "to be copied, sent or attached to a bug report, and prints that file's name.\n"
        "`retake unpack` makes a trace of it again. It holds whatever the program read.",
    .exit_status = "0, 2 for a mistake in usage, 125 for a failure; then no file is left.",
    .examples =
        "retake pack\n"
        "retake pack -o failure.retake make-12",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
