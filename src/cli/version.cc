// retake version: what this binary is.
#include <fmt/format.h>

#include <cstdio>

#include "arch/arch.h"
#include "cli/command_line.h"
#include "cli/verb.h"
#include "replay/trace.h"

namespace retake {
namespace {

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  if (auto status = line.Parse(arguments)) return *status;
  fmt::print("retake {} ({}, trace format {})\n", RETAKE_VERSION, HostArch().name, kTraceVersion);
  return kExitDone;
}

}  // namespace

extern const Verb kVersionVerb;
constinit const Verb kVersionVerb = {
    .name = "version",
    .summary = "print the version of retake and of its trace format",
    .synopsis = "retake version",
    .description =
        "Prints retake's version, the architecture it was built for, and the version\n"
        "of the trace format, which a trace must have to be read.",
    .exit_status = "0.",
    .examples = "retake version",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
