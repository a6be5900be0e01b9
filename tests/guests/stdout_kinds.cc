// R01: standard output may be a file, a file opened for appending, one pipe together with stderr,
// or a terminal; the same bytes appear in a replay, in the same order.
//! case: file file
//! case: append append
//! case: merged merged
//! case: pty pty
//! stdout: argument
#include "guest.h"

int main() {
  for (int i = 0; i < 5; ++i) {
    Say("out %d", i);
    dprintf(2, "err %d\n", i);
  }
  printf("buffered %d\n", isatty(1));
  fflush(stdout);
  Say("last");
}
