// R01: the exit status is the program's.
//! case: zero 0
//! case: one 1
//! case: middle 42
//! case: retakes_own 125
//! case: like_a_shell 127
//! case: highest 255
#include "guest.h"

int main(int, char** argv) {
  Say("about to exit %s", argv[1]);
  exit(atoi(argv[1]));
}
