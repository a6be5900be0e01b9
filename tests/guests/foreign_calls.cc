// R08: a call by a foreign ABI of the same kernel is refused, never let through.
//! differs: natively it answers
#include "guest.h"
#include "guest_arch.h"

int main() {
  Say("before");
  long result = ForeignGetpid();
  Say("a foreign getpid is answered with our pid: %d", result == getpid());
}
