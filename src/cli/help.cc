// retake help: the overview, or a verb's page.
#include <cstdio>

#include "cli/command_line.h"
#include "cli/man_page.h"
#include "cli/report.h"
#include "cli/verb.h"

namespace retake {
namespace {

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string name;
  line.Argument("VERB", false, &name);
  if (auto status = line.Parse(arguments)) return *status;
  if (name.empty()) {
    std::string overview = Overview();
    fwrite(overview.data(), 1, overview.size(), stdout);
    return kExitDone;
  }
  const Verb* asked = FindVerb(name);
  if (asked == nullptr) {
    return Fail(Reason::kUsage, "there is no verb \"" + name + "\"; `retake --help` lists them",
                kExitUsage);
  }
  // The verb knows its own options.
  std::string flag = "--help";
  char* word = flag.data();
  return asked->run(*asked, std::span<char* const>(&word, 1));
}

}  // namespace

extern const Verb kHelpVerb;
constinit const Verb kHelpVerb = {
    .name = "help",
    .summary = "print this page, or a verb's",
    .synopsis = "retake help [VERB]",
    .description =
        "Prints the overview, or the page of one verb. `retake VERB --help` is the\n"
        "same.",
    .exit_status = "0, or 2 if there is no such verb.",
    .examples = "retake help record",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
