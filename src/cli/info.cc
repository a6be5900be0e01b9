// retake info: what a trace holds, and what replaying it needs.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "arch/arch.h"
#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/man_page.h"
#include "cli/report.h"
#include "replay/trace_store.h"

namespace retake {
namespace {

constexpr size_t kFieldWidth = 14;
constexpr size_t kColumns = 80;

void Field(std::string_view name, std::string_view value) {
  if (!value.empty()) fmt::print("{:<{}}{}\n", name, kFieldWidth, value);
}

// Which of the trace's CPU features this machine hasn't got; nothing can be said of a trace of
// another architecture but that.
std::string ReplaysHere(const TraceReader& trace) {
  if (trace.arch().id != HostArch().id) {
    return fmt::format("no: this machine is {}", HostArch().name);
  }
  std::string missing;
  std::vector<machine::CpuFeature> here = machine::CpuFeatures();
  for (const std::string& needed : trace.manifest().cpu_features) {
    bool present = std::ranges::any_of(here, [&](const machine::CpuFeature& feature) {
      return feature.present && feature.name == needed;
    });
    if (!present) missing += (missing.empty() ? "" : ", ") + needed;
  }
  return missing.empty() ? "yes" : "no: this CPU lacks " + missing;
}

// Counts the events by kind: a trace still being written has no totals in its manifest.
struct Counts {
  std::array<uint64_t, static_cast<size_t>(EventKind::kLast) + 1> kinds{};
  uint64_t total = 0;
  uint64_t tasks = 1;
  std::string cut;
};

Result<Counts> CountEvents(TraceReader& trace) {
  Counts counts;
  Event event;
  while (true) {
    TraceReader::Next next = TRY(trace.ReadEvent(event));
    if (next == TraceReader::Next::kCut) counts.cut = trace.cut_reason();
    if (next != TraceReader::Next::kEvent) return counts;
    ++counts.total;
    ++counts.kinds[static_cast<size_t>(event.kind)];
    if (event.kind == EventKind::kTaskNew) ++counts.tasks;
  }
}

void PrintEvents(const Counts& counts) {
  Field("events", fmt::format("{}, of {} tasks", counts.total, counts.tasks));
  for (size_t kind = 0; kind < counts.kinds.size(); ++kind) {
    if (counts.kinds[kind] == 0) continue;
    fmt::print("{:<{}}{:>9} {}\n", "", kFieldWidth, counts.kinds[kind],
               EventKindName(static_cast<EventKind>(kind)));
  }
}

void PrintInfo(const TraceReader& trace, const Counts& counts) {
  const TraceManifest& manifest = trace.manifest();
  TraceReader::Sizes sizes = trace.sizes();
  Field("trace", trace.path());
  Field("command", DescribeCommand(manifest.command));
  Field("directory", manifest.directory);
  Field("recorded", fmt::format("{} on {}, {}, by retake {}", DescribeTime(manifest.started),
                                manifest.host, manifest.kernel, manifest.retake_version));
  Field("end", DescribeEnd(manifest, trace.is_being_written()) +
                   (manifest.seconds > 0 ? fmt::format(", after {:.3f} s", manifest.seconds) : ""));
  Field("reason", manifest.reason.empty() ? counts.cut : manifest.reason);
  PrintEvents(counts);
  double ratio =
      sizes.stored_bytes == 0 ? 0 : static_cast<double>(sizes.raw_bytes) / sizes.stored_bytes;
  Field("log", fmt::format("{} in {} sections, {} uncompressed ({:.1f}:1)",
                           DescribeSize(sizes.stored_bytes), sizes.sections,
                           DescribeSize(sizes.raw_bytes), ratio));
  Field("files",
        fmt::format("{} in {} files' contents", DescribeSize(sizes.blob_bytes), sizes.blobs));
  Field("arch", fmt::format("{}, pages of {} bytes", trace.arch().name, manifest.page_size));
  Field("cpu", fmt::format("{} (number {}){}", manifest.cpu_model, manifest.cpu,
                           manifest.portable ? ", told to the program as a baseline CPU" : ""));
  std::string features = manifest.cpu_features.empty() ? "no particular CPU feature" : "";
  for (const std::string& feature : manifest.cpu_features) features += feature + " ";
  std::string needs = Wrap(features, kFieldWidth, kColumns);
  fmt::print("{:<{}}{}", "needs", kFieldWidth, needs.substr(kFieldWidth));
  Field("replays here", ReplaysHere(trace));
  for (const auto& [call, count] : manifest.unknown_calls) {
    Field("counted", fmt::format("{}, {} times: refused, or with unknown outputs", call, count));
  }
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  std::string name;
  bool as_json = false;
  line.Flag("--json", &as_json, "Print the same as one JSON object.");
  line.Argument("TRACE", false, &name);
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> path = ResolveTrace(name);
  if (!path.ok()) return Fail(path.error());
  Result<std::unique_ptr<TraceReader>> trace = TraceReader::Open(*path);
  if (!trace.ok()) return Fail(trace.error());
  Result<Counts> counts = CountEvents(**trace);
  if (!counts.ok()) return Fail(counts.error());
  if (!as_json) {
    PrintInfo(**trace, *counts);
    return kExitDone;
  }
  nlohmann::ordered_json json = ManifestJson(**trace);
  json["events"] = counts->total;
  json["tasks"] = counts->tasks;
  json["cut"] = counts->cut;
  for (size_t kind = 0; kind < counts->kinds.size(); ++kind) {
    if (counts->kinds[kind] == 0) continue;
    json["event_kinds"][std::string(EventKindName(static_cast<EventKind>(kind)))] =
        counts->kinds[kind];
  }
  json["replays_here"] = ReplaysHere(**trace);
  fmt::print("{}\n", JsonText(json, 2));
  return kExitDone;
}

}  // namespace

extern const Verb kInfoVerb;
constinit const Verb kInfoVerb = {
    .name = "info",
    .summary = "say what a trace holds and what replaying it needs",
    .synopsis = "retake info [TRACE] [--json]",
    .description =
        "Prints what was run, when and where, how it ended, how many events of which\n"
        "kind the trace holds, its size and compression, which CPU features a replay\n"
        "needs, and whether this machine has them.",
    .exit_status = "0, or 125 if the trace can't be read.",
    .examples =
        "retake info\n"
        "retake info --json ls-1",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
