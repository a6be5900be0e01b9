// TerminalRelay: a pseudoterminal for a restored program, relayed to the caller's terminal, or to
// its standard input and output where these are none.
#ifndef RETAKE_CLI_TERMINAL_RELAY_H_
#define RETAKE_CLI_TERMINAL_RELAY_H_

#include <termios.h>

#include <memory>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/open_file.h"

namespace retake {

class TerminalRelay {
 public:
  // Set as `was`, but as large as the caller's terminal, if there is one. From here on that leaves
  // what is typed to the program: none of it is lost, or a signal for somebody else.
  static Result<std::unique_ptr<TerminalRelay>> Create(const TerminalState& was);
  TerminalRelay(const TerminalRelay&) = delete;
  TerminalRelay& operator=(const TerminalRelay&) = delete;
  // Sets the caller's terminal as it was.
  ~TerminalRelay();

  int master() const { return master_.get(); }
  // Relays until `ending` can be read, and then what is left.
  void Run(int ending);

 private:
  TerminalRelay() = default;
  void MakeRaw();
  void FollowSize();
  // False at the end of what can be read.
  bool Copy(int from, int to);

  Fd master_;
  bool raw_ = false;
  termios before_{};  // how the caller's terminal was set
};

}  // namespace retake

#endif  // RETAKE_CLI_TERMINAL_RELAY_H_
