// R01: death by a signal is passed on as death by that signal, and what was said before is kept.
//! case: hup 1
//! case: int 2
//! case: quit 3
//! case: ill 4
//! case: trap 5
//! case: abrt 6
//! case: bus 7
//! case: fpe 8
//! case: kill 9
//! case: usr1 10
//! case: segv 11
//! case: pipe 13
//! case: alrm 14
//! case: term 15
//! case: xcpu 24
//! case: sys 31
//! case: realtime 40
#include <sys/resource.h>

#include "guest.h"

int main(int, char** argv) {
  rlimit none = {0, 0};
  CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
  Say("dying of %s", argv[1]);
  kill(getpid(), atoi(argv[1]));
  Say("still here");
  return 1;
}
