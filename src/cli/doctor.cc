// retake doctor: what this machine allows, and what retake uses instead of what it doesn't.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/command_line.h"
#include "cli/describe.h"
#include "cli/man_page.h"
#include "cli/verb.h"
#include "replay/trace_store.h"
#include "supervisor/probe.h"

namespace retake {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kIndent = 12;

std::string CacheDirectory() {
  const char* cache = getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return std::string(cache) + "/retake";
  const char* home = getenv("HOME");
  return home == nullptr ? "" : std::string(home) + "/.cache/retake";
}

std::string_view Word(ProbeVerdict verdict) {
  switch (verdict) {
    case ProbeVerdict::kWorks:
      return "works";
    case ProbeVerdict::kRefused:
      return "refused";
    case ProbeVerdict::kTurnedOff:
      return "off";
  }
  return "?";
}

void Print(const ProbeResult& result) {
  std::string head = fmt::format("{:<10}  {}", Word(result.verdict), result.name);
  if (result.verdict == ProbeVerdict::kWorks) {
    fmt::print("{}{}\n", head, result.detail.empty() ? "" : ": " + result.detail);
    return;
  }
  fmt::print("{} ({})\n", head, result.use);
  fmt::print("{}", Wrap("why: " + result.detail, kIndent, kColumns));
  if (!result.instead.empty()) {
    fmt::print("{}", Wrap(fmt::format("instead: {}", result.instead), kIndent, kColumns));
  } else if (result.essential) {
    fmt::print("{}", Wrap("instead: nothing; retake can't work without it", kIndent, kColumns));
  }
  if (result.verdict == ProbeVerdict::kTurnedOff) {
    fmt::print("{}", Wrap(fmt::format("to change: take {} out of RETAKE_WITHOUT", result.feature),
                          kIndent, kColumns));
  } else if (!result.remedy.empty()) {
    fmt::print("{}", Wrap(fmt::format("to change: {}", result.remedy), kIndent, kColumns));
  }
}

int PrintJson(const std::vector<ProbeResult>& results, bool can_record) {
  nlohmann::ordered_json json;
  json["surroundings"] = DescribeSurroundings();
  json["can_record"] = can_record;
  for (const ProbeResult& result : results) {
    json["probes"].push_back({{"name", result.name},
                              {"feature", result.feature},
                              {"verdict", Word(result.verdict)},
                              {"essential", result.essential},
                              {"detail", result.detail},
                              {"use", result.use},
                              {"instead", result.instead},
                              {"remedy", result.remedy}});
  }
  fmt::print("{}\n", JsonText(json, 2));
  return can_record ? kExitDone : kExitNo;
}

int Run(const Verb& verb, std::span<char* const> arguments) {
  CommandLine line(verb);
  bool as_json = false;
  line.Flag("--json", &as_json, "Print the same as one JSON object.");
  if (auto status = line.Parse(arguments)) return *status;

  Result<std::string> store = TraceStoreDirectory();
  std::vector<ProbeResult> results =
      ProbeEverything({.store = store.ok() ? *store : "", .cache = CacheDirectory()});
  bool can_record = CanRecord(results);
  if (as_json) return PrintJson(results, can_record);

  fmt::print("{}\n\n", DescribeSurroundings());
  for (const ProbeResult& result : results) Print(result);
  auto fallbacks = std::ranges::count_if(results, [](const ProbeResult& result) {
    return result.verdict != ProbeVerdict::kWorks && !result.essential;
  });
  if (!can_record) {
    fmt::print("\nRecording does not work here.\n");
    return kExitNo;
  }
  fmt::print("\nRecording works here{}.\n",
             fallbacks == 0 ? "" : fmt::format(", with {} means replaced by others", fallbacks));
  return kExitDone;
}

}  // namespace

extern const Verb kDoctorVerb;
constinit const Verb kDoctorVerb = {
    .name = "doctor",
    .summary = "say what this machine allows, and what to change for more",
    .synopsis = "retake doctor [--json]",
    .description =
        "Tries every means that retake uses, each in a process of its own: works,\n"
        "refused (and by what), or turned off by RETAKE_WITHOUT; what retake uses\n"
        "instead; and what to change to have it. Nothing is changed.",
    .exit_status = "0 if recording works here, 1 if not.",
    .examples =
        "retake doctor\n"
        "RETAKE_WITHOUT=all retake doctor",
    .stands_for_program = false,
    .run = Run,
};

}  // namespace retake
