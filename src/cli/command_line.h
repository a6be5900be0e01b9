// CommandLine: the options and arguments of one verb, parsed by CLI11.
//
// CLI11 is seen by command_line.cc only: it is a large header, and only the verb that was asked for
// may pay for its parser.
#ifndef RETAKE_CLI_COMMAND_LINE_H_
#define RETAKE_CLI_COMMAND_LINE_H_

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/verb.h"

namespace retake {

// A whole number from 0 on, and nothing else.
std::optional<int> ParseNumber(std::string_view text);

// Names are as CLI11 takes them: "-o,--output". Targets are written by Parse and must outlive it.
class CommandLine {
 public:
  explicit CommandLine(const Verb& verb);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  void Flag(const std::string& names, bool* target, std::string_view help);
  // `metavar` is what the page calls the value: "DIR".
  void Option(const std::string& names, std::string_view metavar, std::string* target,
              std::string_view help);
  // A value that must be a whole number from `least` on.
  void Number(const std::string& names, std::string_view metavar, int least, int* target,
              std::string_view help);
  // A value that must be one of `choices`; `target` gets its index.
  void Choice(const std::string& names, std::initializer_list<std::string_view> choices,
              size_t* target, std::string_view help);
  // The next word that is no option.
  void Argument(const std::string& name, bool required, std::string* target);
  // All words that are no options.
  void Arguments(const std::string& name, bool required, std::vector<std::string>* target);
  // A command to run: from the first word that is no option on, or after `--`, every word as it is.
  void Command(std::vector<std::string>* target);

  // Nothing: the verb should go on. Otherwise the exit status to give: the page was asked for and
  // has been printed, or the usage is wrong and that has been said.
  std::optional<int> Parse(std::span<char* const> arguments);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace retake

#endif  // RETAKE_CLI_COMMAND_LINE_H_
