#include "cli/man_page.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace retake {
namespace {

// What a verb prints when it is run with `words`; its exit status in `status`.
std::string OutputOf(const Verb& verb, std::vector<std::string> words, int& status) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStdout();
  status = verb.run(verb, arguments);
  fflush(stdout);
  return testing::internal::GetCapturedStdout();
}

TEST(ManPage, WrapsAtTheWidthAndIndents) {
  EXPECT_EQ(Wrap("one two three four", 2, 11), "  one two\n  three\n  four\n");
  EXPECT_EQ(Wrap("averyveryverylongword x", 2, 8), "  averyveryverylongword\n  x\n");
  EXPECT_EQ(Wrap("", 2, 8), "");
}

TEST(ManPage, EveryVerbHasAllSectionsAndFitsATerminal) {
  for (const Verb* verb : Verbs()) {
    int status = -1;
    std::string page = OutputOf(*verb, {"--help"}, status);
    EXPECT_EQ(status, kExitDone) << verb->name;
    size_t at = 0;
    for (std::string heading : {"NAME\n", "\nSYNOPSIS\n", "\nDESCRIPTION\n", "\nOPTIONS\n",
                                "\nEXIT STATUS\n", "\nEXAMPLES\n"}) {
      size_t found = page.find(heading, at);
      EXPECT_NE(found, std::string::npos) << verb->name << " lacks " << heading;
      if (found != std::string::npos) at = found;
    }
    size_t column = 0;
    for (char c : page) {
      column = c == '\n' ? 0 : column + 1;
      ASSERT_LE(column, 88U) << verb->name << ": a line is too long in\n" << page;
    }
  }
}

TEST(ManPage, OverviewNamesEveryVerb) {
  std::string overview = Overview();
  for (const Verb* verb : Verbs()) {
    EXPECT_NE(overview.find("\n       " + std::string(verb->name) + " "), std::string::npos)
        << verb->name;
  }
}

TEST(ManPage, SynopsisNamesEveryOption) {
  for (const Verb* verb : Verbs()) {
    int status = -1;
    std::string page = OutputOf(*verb, {"--help"}, status);
    // Lines of OPTIONS that begin with a dash at the section's own indent.
    size_t options = page.find("\nOPTIONS\n");
    for (size_t at = options; (at = page.find("\n       -", at)) != std::string::npos; ++at) {
      std::string option = page.substr(at + 8, page.find_first_of(", \n", at + 8) - at - 8);
      if (option == "-h") continue;
      EXPECT_NE(page.substr(0, options).find(option), std::string::npos)
          << verb->name << ": " << option << " isn't in the synopsis";
    }
  }
}

}  // namespace
}  // namespace retake
