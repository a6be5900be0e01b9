#include "cli/command_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace retake {
namespace {

constexpr Verb kProgramVerb = {.name = "runner", .stands_for_program = true, .run = nullptr};
constexpr Verb kOtherVerb = {.name = "other", .stands_for_program = false, .run = nullptr};

struct Parsed {
  std::optional<int> status;
  std::string err;
  std::string directory;
  bool wait = false;
  size_t choice = 7;
  std::vector<std::string> command;
};

// A verb with an option of each kind and a command, like `record`.
Parsed ParseCommand(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  Parsed parsed;
  CommandLine line(kProgramVerb);
  line.Option("-o,--output", "DIR", &parsed.directory, "");
  line.Flag("--wait", &parsed.wait, "");
  line.Choice("--on-error", {"stop", "continue"}, &parsed.choice, "");
  line.Command(&parsed.command);
  testing::internal::CaptureStderr();
  parsed.status = line.Parse(arguments);
  parsed.err = testing::internal::GetCapturedStderr();
  return parsed;
}

using Words = std::vector<std::string>;

TEST(CommandLine, OptionsEndAtTheFirstWord) {
  Parsed parsed = ParseCommand({"-o", "d", "--wait", "ls", "-la", "--wait", "-o", "x", "--help"});
  EXPECT_FALSE(parsed.status.has_value()) << parsed.err;
  EXPECT_EQ(parsed.directory, "d");
  EXPECT_TRUE(parsed.wait);
  EXPECT_EQ(parsed.command, (Words{"ls", "-la", "--wait", "-o", "x", "--help"}));
}

TEST(CommandLine, WordsAfterTwoDashesAreTheCommand) {
  EXPECT_EQ(ParseCommand({"--wait", "--", "-odd", "--", "x"}).command, (Words{"-odd", "--", "x"}));
  EXPECT_EQ(ParseCommand({"sh", "-c", "a", "--", "b"}).command,
            (Words{"sh", "-c", "a", "--", "b"}));
}

TEST(CommandLine, WordsAreBytesAndMayBeEmpty) {
  EXPECT_EQ(ParseCommand({"--", "echo", "", "\xff\xfe", "a b", "[x]", "++", "%%"}).command,
            (Words{"echo", "", "\xff\xfe", "a b", "[x]", "++", "%%"}));
}

TEST(CommandLine, ValuesMayBeJoined) {
  EXPECT_EQ(ParseCommand({"--output=d", "true"}).directory, "d");
  EXPECT_EQ(ParseCommand({"-od", "true"}).directory, "d");
  EXPECT_EQ(ParseCommand({"--on-error=continue", "true"}).choice, 1U);
}

TEST(CommandLine, MistakesOfAProgramVerbAre125WithTheReasonLast) {
  for (Words words : {Words{}, Words{"--"}, Words{"--wait"}, Words{"--nonsense", "ls"}, Words{"-o"},
                      Words{"--on-error", "never", "ls"}}) {
    Parsed parsed = ParseCommand(words);
    ASSERT_TRUE(parsed.status.has_value()) << testing::PrintToString(words);
    EXPECT_EQ(*parsed.status, 125);
    EXPECT_TRUE(parsed.err.starts_with("retake: usage: runner: ")) << parsed.err;
    EXPECT_EQ(parsed.err.find('\n'), parsed.err.size() - 1) << parsed.err;
  }
}

TEST(CommandLine, MistakesOfOtherVerbsAre2) {
  for (Words words : {Words{"--nonsense"}, Words{"a", "b"}, Words{}}) {
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    std::string argument;
    CommandLine line(kOtherVerb);
    line.Argument("TRACE", true, &argument);
    testing::internal::CaptureStderr();
    std::optional<int> status = line.Parse(arguments);
    std::string err = testing::internal::GetCapturedStderr();
    EXPECT_EQ(status, 2) << testing::PrintToString(words) << err;
  }
}

}  // namespace
}  // namespace retake
