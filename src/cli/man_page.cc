#include "cli/man_page.h"

#include <fmt/format.h>

namespace retake {
namespace {

constexpr size_t kColumns = 80;
constexpr size_t kIndent = 7;
constexpr size_t kOptionIndent = 14;

// A heading, and below it the lines of `body` as they are, indented.
void AddSection(std::string& page, std::string_view heading, std::string_view body) {
  if (body.empty()) return;
  if (!page.empty()) page += '\n';
  page += fmt::format("{}\n", heading);
  while (!body.empty()) {
    size_t end = body.find('\n');
    std::string_view line = body.substr(0, end);
    body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
    if (!line.empty()) page.append(kIndent, ' ').append(line);
    page += '\n';
  }
}

}  // namespace

std::string Wrap(std::string_view text, size_t indent, size_t width) {
  std::string wrapped;
  size_t column = 0;
  while (!text.empty()) {
    size_t end = text.find(' ');
    std::string_view word = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (word.empty()) continue;
    if (column != 0 && column + 1 + word.size() > width) {
      wrapped += '\n';
      column = 0;
    }
    if (column == 0) {
      wrapped.append(indent, ' ');
      column = indent;
    } else {
      wrapped += ' ';
      ++column;
    }
    wrapped += word;
    column += word.size();
  }
  if (!wrapped.empty()) wrapped += '\n';
  return wrapped;
}

std::string ManPage(const Verb& verb, std::span<const OptionHelp> options) {
  std::string page;
  AddSection(page, "NAME", fmt::format("retake {} - {}", verb.name, verb.summary));
  AddSection(page, "SYNOPSIS", verb.synopsis);
  AddSection(page, "DESCRIPTION", verb.description);
  page += "\nOPTIONS\n";
  for (const OptionHelp& option : options) {
    page += fmt::format("{:{}}{}\n", "", kIndent, option.usage);
    page += Wrap(option.help, kOptionIndent, kColumns);
  }
  AddSection(page, "EXIT STATUS", verb.exit_status);
  AddSection(page, "EXAMPLES", verb.examples);
  return page;
}

std::string Overview() {
  std::string verbs;
  for (const Verb* verb : Verbs()) verbs += fmt::format("{:<12}{}\n", verb->name, verb->summary);
  std::string page;
  AddSection(page, "NAME", "retake - run a Linux program so that the run can be had again");
  AddSection(page, "SYNOPSIS",
             "retake record -- COMMAND...\n"
             "retake replay\n"
             "retake VERB [OPTION...] [ARGUMENT...]");
  AddSection(page, "DESCRIPTION",
             "retake records everything that enters a program from outside, and shows the\n"
             "same run again without running it: the same output, the same exit status,\n"
             "the same bytes in memory, as often as you like, and when the files, the\n"
             "network and the time of that run are long gone.\n"
             "\n"
             "It needs no root, no hardware performance counters, no kernel module and no\n"
             "recompiling, and so works in virtual machines and containers.\n"
             "\n"
             "It also keeps programs that are running in a file, to go on from there.");
  AddSection(page, "VERBS", verbs);
  AddSection(page, "ENVIRONMENT",
             "RETAKE_DIR      where traces are kept; else $XDG_DATA_HOME/retake, else\n"
             "                ~/.local/share/retake\n"
             "RETAKE_WITHOUT  features not to use though the kernel has them, separated by\n"
             "                commas; `retake doctor` lists them");
  AddSection(page, "EXIT STATUS",
             "record, replay and restore give the status of the program that they ran, and\n"
             "125 if retake itself failed; the others 0 for done or yes, 1 for no, 2 for a\n"
             "mistake in usage, 3 for a checkpoint that would lose something, 125 for a\n"
             "failure. The last line on standard error says why.");
  AddSection(page, "SEE ALSO", "`retake help VERB` for the page of each verb.");
  return page;
}

}  // namespace retake
