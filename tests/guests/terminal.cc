// R01: a terminal pair: modes, window size, line discipline, a session with a controlling terminal.
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "guest.h"

int main() {
  int main_side, other_side;
  CHECK(openpty(&main_side, &other_side, nullptr, nullptr, nullptr) == 0);
  Vary("%s", ptsname(main_side));
  winsize size = {25, 81, 0, 0};
  CHECK(ioctl(main_side, TIOCSWINSZ, &size) == 0);
  winsize got = {};
  CHECK(ioctl(other_side, TIOCGWINSZ, &got) == 0);
  Say("%d x %d", got.ws_row, got.ws_col);
  termios modes;
  CHECK(tcgetattr(other_side, &modes) == 0);
  Say("canonical %d echo %d", (modes.c_lflag & ICANON) != 0, (modes.c_lflag & ECHO) != 0);
  CHECK(write(main_side, "a line\n", 7) == 7);
  char line[100] = {};
  ssize_t size_of_line = read(other_side, line, sizeof(line));
  Say("%zd [%.6s]", size_of_line, line);
  cfmakeraw(&modes);
  CHECK(tcsetattr(other_side, TCSADRAIN, &modes) == 0);
  CHECK(write(main_side, "\003x", 2) == 2);
  Say("raw %zd", read(other_side, line, sizeof(line)));
  pid_t pid = Child([&] {
    CHECK(setsid() > 0 && ioctl(other_side, TIOCSCTTY, 0) == 0);
    CHECK(tcgetpgrp(other_side) == getpid());
    int tty = open("/dev/tty", O_RDWR);
    CHECK(tty >= 0 && write(tty, "via /dev/tty\n", 13) == 13);
    _exit(isatty(tty) ? 3 : 4);
  });
  Say("%s", StatusText(WaitFor(pid)).c_str());
  close(other_side);
  char echo[500] = {};
  size_t all = 0;
  for (ssize_t n; (n = read(main_side, echo + all, sizeof(echo) - 1 - all)) > 0;) all += n;
  Say("main side saw %zu bytes, digest %016lx", all, Digest(echo, all));
}
