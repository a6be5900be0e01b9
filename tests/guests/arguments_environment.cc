// R01: arguments and environment arrive as they were given, odd bytes and empty ones included.
//! env: GUEST_SPECIAL=a=b c
//! env: GUEST_EMPTY=
//! case: plain one two three
//! case: empty_and_odd '' 'a b' "\n" '*' -- --help -o
#include <sys/auxv.h>

#include "guest.h"

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) Say("argv[%d] = [%s]", i, argv[i]);
  Say("GUEST_SPECIAL = [%s]", getenv("GUEST_SPECIAL"));
  Say("GUEST_EMPTY = [%s]", getenv("GUEST_EMPTY"));
  Say("GUEST_ABSENT is %s", getenv("GUEST_ABSENT") ? "set" : "not set");
  Say("page size %lu, clock ticks %lu, secure %lu", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK),
      getauxval(AT_SECURE));
  Say("argv[0] and AT_EXECFN agree: %d",
      strcmp(argv[0], reinterpret_cast<char*>(getauxval(AT_EXECFN))) == 0);
}
