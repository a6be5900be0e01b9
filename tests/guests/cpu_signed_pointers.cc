// R07: pointers that the CPU signs with keys drawn at exec lie in memory, survive forks, and
// authenticate.
#include "guest.h"
#include "guest_arch.h"

static void* kept[2];

int main() {
  int variable = 7;
  kept[0] = SignPointer(&variable);
  kept[1] = SignPointer(&kept);
  Vary("signed: %p %p", kept[0], kept[1]);
  Say("%d", *static_cast<int*>(AuthenticatePointer(kept[0])));
  InChild([&] { Say("in a child: %d", AuthenticatePointer(kept[1]) == kept); });
  Say("in the parent: %d", AuthenticatePointer(kept[1]) == kept);
}
