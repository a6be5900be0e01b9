// S02: a call by a foreign ABI of the same kernel is refused with a sentence, never
// let through. A kernel that has no such ABI kills the program.
//! expect: 125 another architecture
//! unless: signal 11
#include "guest.h"
#include "guest_arch.h"

int main() {
  Say("before");
  long result = ForeignGetpid();
  Say("a foreign getpid is answered with our pid: %d", result == getpid());
}
