// R07: the widest registers a CPU has (AMX tiles), asked for and used across calls and forks.
#include "guest.h"
#include "guest_arch.h"

int main() {
  long sum = UseWideTiles();
  Say("%s", sum < 0 ? "none here" : "computed");
  Say("sum %ld", sum);
  InChild([&] { Say("again in a child: %d", UseWideTiles() == sum); });
}
