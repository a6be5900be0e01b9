// retake ls: the store's traces, one a line.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/report.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

struct Row {
  std::string name, when, events, size, end, command;
};

Row RowOf(const std::string& directory, const std::string& name) {
  Row row{.name = name, .when = "-", .events = "-", .size = "-", .end = "", .command = ""};
  Result<std::unique_ptr<TraceReader>> trace = TraceReader::Open(directory + "/" + name, 0);
  if (!trace.ok()) {
    row.end = "unreadable";
    row.command = trace.error().Message();
    return row;
  }
  const TraceManifest& manifest = (*trace)->manifest();
  TraceReader::Sizes sizes = (*trace)->sizes();
  row.when = DescribeTime(manifest.started);
  if (manifest.end != TraceEnd::kUnfinished) row.events = fmt::to_string(manifest.events);
  row.size = DescribeSize(sizes.stored_bytes + sizes.blob_bytes);
  row.end = DescribeEnd(manifest, (*trace)->is_being_written());
  row.command = DescribeCommand(manifest.command);
  return row;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  bool as_json = false;
  line.Flag("--json", &as_json, "Print one JSON object per trace and line.");
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> store = TraceStoreDirectory();
  if (!store.ok()) return Fail(store.error());
  Result<std::vector<std::string>> names = ListTraces();
  if (!names.ok()) return Fail(names.error());

  if (as_json) {
    for (const std::string& name : *names) {
      nlohmann::ordered_json json;
      json["name"] = name;
      Result<std::unique_ptr<TraceReader>> trace = TraceReader::Open(*store + "/" + name, 0);
      if (trace.ok()) {
        json.update(ManifestJson(**trace));
      } else {
        json["error"] = trace.error().Message();
      }
      fmt::print("{}\n", JsonText(json));
    }
    return kExitDone;
  }

  std::vector<Row> rows = {{"NAME", "WHEN", "EVENTS", "SIZE", "END", "COMMAND"}};
  for (const std::string& name : *names) rows.push_back(RowOf(*store, name));
  if (rows.size() == 1) {
    fmt::print("No traces in {} yet; `retake record -- COMMAND` makes one.\n", *store);
    return kExitDone;
  }
  size_t name = 0, events = 0, size = 0, end = 0;
  for (const Row& row : rows) {
    name = std::max(name, row.name.size());
    events = std::max(events, row.events.size());
    size = std::max(size, row.size.size());
    end = std::max(end, row.end.size());
  }
  for (const Row& row : rows) {
    fmt::print("{:<{}}  {:<16}  {:>{}}  {:>{}}  {:<{}}  {}\n", row.name, name, row.when, row.events,
               events, row.size, size, row.end, end, row.command);
  }
  return kExitDone;
}

}  // namespace

extern const Verb kLsVerb;
constinit const Verb kLsVerb = {
    .name = "ls",
    .summary = "list the traces",
    .synopsis = "retake ls [--json]",
    .description =
        "Lists the traces of the store, oldest first: name, when it was recorded,\n"
        "events, size on disk, how the program ended, command. Without an end is one\n"
        "that is still being recorded (recording) and one whose recorder was killed (cut\n"
        "short); either replays as far as it goes.",
    .exit_status = "0, or 125 for a failure.",
    .examples = "retake ls",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
