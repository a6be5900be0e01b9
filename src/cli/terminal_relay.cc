#include "cli/terminal_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "snapshot/terminal.h"

namespace retake {
namespace {

std::atomic<bool> size_changed = false;

void OnResize(int) { size_changed = true; }

bool WriteAll(int fd, const char* bytes, size_t size) {
  while (size > 0) {
    ssize_t put = write(fd, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes += put;
    size -= static_cast<size_t>(put);
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<TerminalRelay>> TerminalRelay::Create(const TerminalState& was) {
  std::unique_ptr<TerminalRelay> relay(new TerminalRelay());
  relay->master_.Reset(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  int unlocked = 0;
  if (!relay->master_ || ioctl(relay->master(), TIOCSPTLCK, &unlocked) != 0)
    return ErrnoError("can't make a pseudoterminal");
  TRY(SetTerminal(relay->master(), was));
  relay->FollowSize();
  relay->MakeRaw();
  return relay;
}

TerminalRelay::~TerminalRelay() {
  if (raw_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
}

void TerminalRelay::FollowSize() {
  winsize size{};
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) (void)ioctl(master(), TIOCSWINSZ, &size);
}

void TerminalRelay::MakeRaw() {
  if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
  termios modes = before_;
  cfmakeraw(&modes);
  raw_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &modes) == 0;
}

bool TerminalRelay::Copy(int from, int to) {
  std::array<char, 4096> buffer;
  ssize_t got = read(from, buffer.data(), buffer.size());
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  // A master whose slave nobody has reads EIO.
  return got > 0 && WriteAll(to, buffer.data(), static_cast<size_t>(got));
}

void TerminalRelay::Run(int ending) {
  struct sigaction action {};
  action.sa_handler = OnResize;
  sigaction(SIGWINCH, &action, nullptr);
  FollowSize();  // as it may be by now
  enum { kInput, kOutput, kEnding };
  std::array<pollfd, 3> polled = {
      pollfd{STDIN_FILENO, POLLIN, 0}, {master(), POLLIN, 0}, {ending, POLLIN, 0}};
  while (polled[kEnding].revents == 0) {
    if (size_changed.exchange(false)) FollowSize();
    if (poll(polled.data(), polled.size(), -1) < 0) {
      if (errno != EINTR) return;
      for (pollfd& each : polled) each.revents = 0;
      continue;
    }
    if (polled[kInput].revents != 0 && !Copy(STDIN_FILENO, master())) polled[kInput].fd = -1;
    if (polled[kOutput].revents != 0 && !Copy(master(), STDOUT_FILENO)) polled[kOutput].fd = -1;
  }
  // What was said last.
  fcntl(master(), F_SETFL, O_NONBLOCK);
  pollfd left{master(), POLLIN, 0};
  while (poll(&left, 1, 0) == 1 && (left.revents & POLLIN) != 0) {
    if (!Copy(master(), STDOUT_FILENO)) break;
  }
}

}  // namespace retake
