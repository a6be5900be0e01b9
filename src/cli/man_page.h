// Manual pages: what `retake help`, `retake help VERB` and `retake VERB --help` print.
#ifndef RETAKE_CLI_MAN_PAGE_H_
#define RETAKE_CLI_MAN_PAGE_H_

#include <span>
#include <string>
#include <string_view>

#include "cli/verb.h"

namespace retake {

// One line of OPTIONS: `usage` is "-o, --output DIR", `help` is any number of sentences.
struct OptionHelp {
  std::string usage;
  std::string help;
};

// NAME, SYNOPSIS, DESCRIPTION, OPTIONS, EXIT STATUS, EXAMPLES.
std::string ManPage(const Verb& verb, std::span<const OptionHelp> options);

// The page of retake itself: what it is, and its verbs.
std::string Overview();

// Breaks `text` at blanks into lines of at most `width` columns, each after `indent` blanks.
std::string Wrap(std::string_view text, size_t indent, size_t width);

}  // namespace retake

#endif  // RETAKE_CLI_MAN_PAGE_H_
