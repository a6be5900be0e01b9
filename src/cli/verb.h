// Verb: one thing retake can be told to do. `verbs.cc` holds the table of all of them, and each has
// a file of its own that gives a constant Verb: its manual page in parts, and what it does.
//
// A Verb is plain data, so that the table costs nothing at start-up: `retake record -- true` may
// take three milliseconds in all, and only the verb that was asked for builds its options.
#ifndef RETAKE_CLI_VERB_H_
#define RETAKE_CLI_VERB_H_

#include <span>
#include <string_view>

namespace retake {

// Exit statuses (DESIGN 11). Verbs that stand for a program give the program's own status, and
// kExitFailure for every failure of retake's, usage included; the others use all of these.
inline constexpr int kExitDone = 0;
inline constexpr int kExitNo = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitLoss = 3;  // a checkpoint would lose something
inline constexpr int kExitFailure = 125;

struct Verb {
  std::string_view name;
  std::string_view summary;   // one line, no full stop
  std::string_view synopsis;  // one or more lines, each without "retake "
  std::string_view description;
  std::string_view exit_status;
  std::string_view examples;
  // Its exit status is the traced program's, so a mistake in its usage is 125 instead of 2.
  bool stands_for_program;
  // `arguments` are those after the verb. Returns the exit status.
  int (*run)(const Verb& verb, std::span<char* const> arguments);

  int usage_status() const { return stands_for_program ? kExitFailure : kExitUsage; }
};

// All verbs, in the order in which `retake --help` lists them.
std::span<const Verb* const> Verbs();
// Null if there is none of that name.
const Verb* FindVerb(std::string_view name);
// The verb whose name is nearest to a mistyped one; null if none is near.
const Verb* NearestVerb(std::string_view name);

// The whole of retake: `arguments` as main gets them, the program's name first.
int Main(std::span<char* const> arguments);

}  // namespace retake

#endif  // RETAKE_CLI_VERB_H_
