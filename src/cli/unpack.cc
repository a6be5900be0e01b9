// retake unpack: makes a trace of a file that `retake pack` wrote.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "cli/command_line.h"
#include "cli/report.h"
#include "replay/trace_pack.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

// The program's name, as the store would name its trace: "dir/make-12.retake" -> "make".
std::string ProgramOf(const std::string& file) {
  std::string name = file.substr(file.rfind('/') + 1);
  if (name.ends_with(".retake")) name.resize(name.size() - std::string_view(".retake").size());
  size_t number = name.find_last_not_of("0123456789");
  if (number != std::string::npos && number > 0 && name[number] == '-' &&
      number + 1 < name.size()) {
    name.resize(number);
  }
  return name.empty() ? "trace" : name;
}

Result<std::string> Unpack(const std::string& file, const std::string& asked) {
  std::string directory = asked;
  if (directory.empty()) {
    directory = TRY(NewTraceDirectory(ProgramOf(file)));
  } else {
    TRY(PrepareTraceDirectory(directory));
  }
  if (Status unpacked = UnpackTrace(file, directory); !unpacked.ok()) {
    // Only this goes if what was written so far is no trace; its own error would hide the first.
    (void)RemoveTrace(directory);
    (void)rmdir(directory.c_str());
    return unpacked.TakeError();
  }
  TRY(SetLatest(directory));
  return directory;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string file, directory;
  line.Option("-o,--output", "DIR", &directory,
              "Unpack to DIR, which must be absent or empty, instead of to the store.");
  line.Argument("FILE", true, &file);
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> unpacked = Unpack(file, directory);
  if (!unpacked.ok()) return Fail(unpacked.error());
  fmt::print("{}\n", *unpacked);
  return kExitDone;
}

}  // namespace

extern const Verb kUnpackVerb;
constinit const Verb kUnpackVerb = {
    .name = "unpack",
    .summary = "make a trace of a packed file",
    .synopsis = "retake unpack FILE [-o DIR]",
    .description =
        "Writes the trace in FILE to the store, or to DIR, and prints where it is.\n"
        "Every checksum is checked on the way.",
    .exit_status = "0, 2 for a mistake in usage, 125 for a failure; then no trace is left.",
    .examples = "retake unpack failure.retake && retake replay",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
