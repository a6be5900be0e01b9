#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

#include "cli/man_page.h"
#include "cli/report.h"

namespace retake {
namespace {

// "-o,--output" -> "-o, --output".
std::string Spaced(const std::string& names) {
  std::string spaced;
  for (char c : names) {
    spaced += c;
    if (c == ',') spaced += ' ';
  }
  return spaced;
}

// The first sentence of CLI11's messages, which run over several lines.
std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

struct CommandLine::Parser {
  explicit Parser(const Verb& parsed) : verb(parsed) {}

  const Verb& verb;
  CLI::App app;
  bool help = false;
  std::vector<OptionHelp> pages;
  std::vector<std::string>* command = nullptr;
};

CommandLine::CommandLine(const Verb& verb) : parser_(std::make_unique<Parser>(verb)) {
  // CLI11's own page isn't ours; --help is a flag like any other.
  parser_->app.set_help_flag();
}

CommandLine::~CommandLine() = default;

void CommandLine::Flag(const std::string& names, bool* target, std::string_view help) {
  parser_->app.add_flag(names, *target);
  parser_->pages.push_back({Spaced(names), std::string(help)});
}

void CommandLine::Option(const std::string& names, std::string_view metavar, std::string* target,
                         std::string_view help) {
  parser_->app.add_option(names, *target);
  parser_->pages.push_back({fmt::format("{} {}", Spaced(names), metavar), std::string(help)});
}

void CommandLine::Number(const std::string& names, std::string_view metavar, int least, int* target,
                         std::string_view help) {
  parser_->app.add_option(names, *target)
      ->check(CLI::Range(least, std::numeric_limits<int>::max()));
  parser_->pages.push_back({fmt::format("{} {}", Spaced(names), metavar), std::string(help)});
}

void CommandLine::Choice(const std::string& names, std::initializer_list<std::string_view> choices,
                         size_t* target, std::string_view help) {
  std::string all;
  for (std::string_view choice : choices) all += (all.empty() ? "" : "|") + std::string(choice);
  std::vector<std::string_view> words(choices);
  parser_->app.add_option_function<std::string>(
      names, [words, all, names, target](const std::string& value) {
        auto found = std::ranges::find(words, value);
        if (found == words.end()) {
          throw CLI::ValidationError(names, fmt::format("\"{}\" is none of {}", value, all));
        }
        *target = static_cast<size_t>(found - words.begin());
      });
  parser_->pages.push_back({fmt::format("{} {}", Spaced(names), all), std::string(help)});
}

void CommandLine::Argument(const std::string& name, bool required, std::string* target) {
  parser_->app.add_option(name, *target)->required(required);
}

void CommandLine::Arguments(const std::string& name, bool required,
                            std::vector<std::string>* target) {
  parser_->app.add_option(name, *target)->required(required);
}

void CommandLine::Command(std::vector<std::string>* target) {
  parser_->command = target;
  parser_->app.prefix_command();
}

std::optional<int> CommandLine::Parse(std::span<char* const> arguments) {
  Flag("-h,--help", &parser_->help, "Print this page.");
  // CLI11 wants its arguments last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  std::string problem;
  try {
    parser_->app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    problem = FirstLine(error.what());
  }
  if (parser_->help) {
    std::string page = ManPage(parser_->verb, parser_->pages);
    fwrite(page.data(), 1, page.size(), stdout);
    return kExitDone;
  }
  if (problem.empty() && parser_->command != nullptr) {
    // CLI11 leaves the command in what it didn't take, and with it options that it doesn't know.
    std::vector<std::string> rest = parser_->app.remaining();
    if (rest.empty() || rest == std::vector<std::string>{"--"}) {
      problem = "no command to run was given";
    } else if (rest.front() == "--") {
      parser_->command->assign(rest.begin() + 1, rest.end());
    } else if (rest.front().size() > 1 && rest.front().front() == '-') {
      problem = fmt::format("there is no option \"{}\"", rest.front());
    } else {
      *parser_->command = std::move(rest);
    }
  }
  if (problem.empty()) return std::nullopt;
  return Fail(Reason::kUsage,
              fmt::format("{}: {}; `retake help {}` says what it takes", parser_->verb.name,
                          problem, parser_->verb.name),
              parser_->verb.usage_status());
}

}  // namespace retake
