// R01: floating-point and vector registers, modes included, keep their values across calls,
// children and signals.
#include <fenv.h>
#include <math.h>

#include "guest.h"

static volatile double in_handler;
static void OnSignal(int) {
  in_handler = 1.0 / 3.0;
  for (int i = 0; i < 100; ++i) in_handler = sqrt(in_handler + i);
}

int main() {
  double values[16];
  for (int i = 0; i < 16; ++i) values[i] = 1.0 / (i + 3);
  CHECK(fesetround(FE_UPWARD) == 0);
  Handle(SIGUSR1, OnSignal);
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 16; ++i) values[i] = values[i] * 1.000001 + 1e-9;
    if (round % 10 == 3) raise(SIGUSR1);
    if (round % 10 == 7) InChild([&] { CHECK(values[0] > 0); });
  }
  Say("rounding mode upward: %d", fegetround() == FE_UPWARD);
  for (double value : values) Say("%.17g", value);
  Say("handler %.17g", in_handler);
}
