// retake record: prepares the trace's directory and hands over to the recorder, which makes this
// very process the program (replay/recorder.h). So nothing here may leave a thread, a changed
// signal or a stray descriptor behind.
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command_line.h"
#include "cli/report.h"
#include "replay/recorder.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

// The supervisor outlives this process and may change its directory.
std::string Absolute(const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  char here[PATH_MAX];
  if (getcwd(here, sizeof here) == nullptr) return path;
  return std::string(here) + "/" + path;
}

Result<std::string> PrepareDirectory(const std::string& asked, const std::string& program) {
  if (asked.empty()) return NewTraceDirectory(program);
  TRY(PrepareTraceDirectory(asked));
  return asked;
}

// The program could not be started, and the recorder has emptied its trace: the directory goes too,
// and `latest`, which is the newest trace from its first event on so that a run that hangs can be
// looked at while it does, goes back to the trace before. Failing at that changes nothing of why
// we fail.
void Withdraw(const std::string& directory, bool in_store) {
  (void)rmdir(directory.c_str());
  if (!in_store) return;
  Result<std::string> store = TraceStoreDirectory();
  Result<std::vector<std::string>> names = ListTraces();
  if (!store.ok() || !names.ok()) return;
  std::erase_if(*names, [&](const std::string& name) { return *store + "/" + name == directory; });
  if (names->empty()) {
    (void)unlink((*store + "/latest").c_str());
  } else {
    (void)SetLatest(*store + "/" + names->back());
  }
}

int FailRecord(const RecordOptions& options, const Error& error) {
  Status written = WriteStatusFile(options.status_file, {.verb = "record",
                                                         .trace = options.directory,
                                                         .kind = ReasonWord(Reason::kFailed),
                                                         .message = error.Message()});
  if (!written.ok()) Fail(written.error());
  return Fail(error);
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  RecordOptions options;
  bool verbose = false;
  size_t on_error = static_cast<size_t>(OnError::kStop);
  CommandLine line(verb);
  line.Option("-o,--output", "DIR", &options.directory,
              "Write the trace to DIR, which must be absent or empty, instead of to the store.");
  line.Flag("--wait", &options.wait,
            "Return only when the last process of the program's tree has ended, instead of when "
            "the first one has.");
  line.Flag("--portable", &options.portable,
            "Tell the program that it runs on a baseline CPU, so that the trace can be replayed on "
            "other CPUs. Costs about two milliseconds per program started.");
  line.Choice("--on-error", {"stop", "continue"}, &on_error,
              "What to do when the trace can't be written any more, for instance because the disk "
              "is full: stop the program (the default), or let it go on without being recorded. "
              "What was recorded until then can be replayed in either case.");
  line.Number(
      "--check-every", "N", 1, &options.check_interval,
      "Keep a hash of the program's memory at every Nth event, for `retake replay --check`. "
      "Without it, as often as takes a fiftieth of the time.");
  line.Option("--status-file", "FILE", &options.status_file,
              "Write how it ended to FILE, as JSON.");
  line.Flag("-v,--verbose", &verbose,
            "Say on standard error where the trace is. That is said anyway if standard error is a "
            "terminal.");
  line.Command(&options.command);
  if (auto status = line.Parse(arguments)) return *status;

  options.status_file = Absolute(options.status_file);
  options.on_error = static_cast<OnError>(on_error);
  options.announce = verbose || isatty(STDERR_FILENO) == 1;
  bool in_store = options.directory.empty();
  bool is_new = in_store || access(options.directory.c_str(), F_OK) != 0;
  Result<std::string> directory = PrepareDirectory(options.directory, options.command.front());
  if (!directory.ok()) return FailRecord(options, directory.error());
  options.directory = Absolute(*directory);
  if (in_store) {
    if (Status set = SetLatest(options.directory); !set.ok()) {
      return FailRecord(options, set.error());
    }
  }
  int status = Record(options);
  if (is_new) Withdraw(options.directory, in_store);
  return status;
}

}  // namespace

extern const Verb kRecordVerb;
constinit const Verb kRecordVerb = {
    .name = "record",
    .summary = "run a program and keep the run",
    .synopsis =
        "retake record [-o DIR] [--wait] [--portable] [--on-error stop|continue]\n"
        "              [--check-every N] [--status-file FILE] [-v] [--] COMMAND\n"
        "              [ARGUMENT...]",
    .description =
        "Runs COMMAND, and all processes that it starts, as they would run without\n"
        "retake: with the same standard input and output, the same terminal, the same\n"
        "environment, pid and parent. Everything that enters them from outside is\n"
        "written to a trace: results of system calls, signals, the contents of the\n"
        "files they map. `retake replay` has the run again from that alone.\n"
        "\n"
        "Options of retake's stand before COMMAND; what follows it is COMMAND's.\n"
        "\n"
        "Traces go to $RETAKE_DIR, else to $XDG_DATA_HOME/retake, else to\n"
        "~/.local/share/retake, as NAME-N; `latest` there is a link to the newest.\n"
        "They hold whatever the program read, passwords included, and only you may\n"
        "read them.\n"
        "\n"
        "retake returns when COMMAND does. Processes that COMMAND left running are\n"
        "recorded on, in the background.",
    .exit_status =
        "That of COMMAND. If it was killed by a signal, retake dies of that signal too.\n"
        "125  retake failed; the last line on standard error says why\n"
        "126  COMMAND can't be executed\n"
        "127  COMMAND can't be found",
    .examples =
        "retake record ls -la\n"
        "retake record -o trace -- make test\n"
        "retake record --wait -- sh -c 'server & client'",
    .stands_for_program = true,
    .run = Run,
};

}  // namespace retake
