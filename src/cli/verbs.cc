// The table of verbs, and how one is chosen.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "base/features.h"
#include "cli/man_page.h"
#include "cli/report.h"
#include "cli/verb.h"

namespace retake {

extern const Verb kRecordVerb;
extern const Verb kReplayVerb;
extern const Verb kCheckpointVerb;
extern const Verb kRestoreVerb;
extern const Verb kInspectVerb;
extern const Verb kDumpVerb;
extern const Verb kLsVerb;
extern const Verb kInfoVerb;
extern const Verb kVerifyVerb;
extern const Verb kRmVerb;
extern const Verb kPackVerb;
extern const Verb kUnpackVerb;
extern const Verb kDoctorVerb;
extern const Verb kVersionVerb;
extern const Verb kHelpVerb;

namespace {

constexpr std::array kVerbs = {
    &kRecordVerb, &kReplayVerb, &kCheckpointVerb, &kRestoreVerb, &kInspectVerb,
    &kDumpVerb,   &kLsVerb,     &kInfoVerb,       &kVerifyVerb,  &kRmVerb,
    &kPackVerb,   &kUnpackVerb, &kDoctorVerb,     &kVersionVerb, &kHelpVerb,
};

// Levenshtein's distance: how many letters to change, add or drop.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] =
          std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? size_t{0} : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

int UnknownVerb(std::string_view name) {
  std::string message = fmt::format("there is no verb \"{}\"", name);
  if (const Verb* nearest = NearestVerb(name); nearest != nullptr) {
    message += fmt::format("; did you mean \"{}\"?", nearest->name);
  } else {
    message += "; `retake --help` lists them";
  }
  return Fail(Reason::kUsage, message, kExitUsage);
}

}  // namespace

std::span<const Verb* const> Verbs() { return kVerbs; }

const Verb* FindVerb(std::string_view name) {
  auto found = std::ranges::find(kVerbs, name, [](const Verb* verb) { return verb->name; });
  return found == kVerbs.end() ? nullptr : *found;
}

const Verb* NearestVerb(std::string_view name) {
  const Verb* nearest = nullptr;
  // Nearer than half of the word, or anything would do.
  size_t best = name.size() / 2 + 1;
  for (const Verb* verb : kVerbs) {
    size_t distance = Distance(name, verb->name);
    if (distance < best) {
      best = distance;
      nearest = verb;
    }
  }
  return nearest;
}

int Main(std::span<char* const> arguments) {
  if (arguments.size() < 2) {
    std::string overview = Overview();
    fwrite(overview.data(), 1, overview.size(), stderr);
    return kExitUsage;
  }
  std::string_view word = arguments[1];
  if (word == "--help" || word == "-h") word = "help";
  if (word == "--version" || word == "-V") word = "version";
  const Verb* verb = FindVerb(word);
  if (verb == nullptr) return UnknownVerb(word);
  // A typing error in RETAKE_WITHOUT would otherwise pass for a test of the fallback it meant.
  if (std::string_view unknown = UnknownFeatureInEnvironment(); !unknown.empty()) {
    std::string known;
    for (const FeatureName& feature : AllFeatures()) known += fmt::format(" {}", feature.name);
    return Fail(Reason::kUsage,
                fmt::format("RETAKE_WITHOUT names \"{}\", which is no feature; the features are{}, "
                            "and \"all\" stands for all of them",
                            unknown, known),
                verb->usage_status());
  }
  int status = verb->run(*verb, arguments.subspan(2));
  // Output that was lost (a full disk, a closed pipe) must not pass for success.
  if (fflush(stdout) != 0 || ferror(stdout) != 0) {
    return FailErrno("can't write to standard output");
  }
  return status;
}

}  // namespace retake
