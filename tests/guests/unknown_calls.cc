// R08: numbers that no kernel has give ENOSYS and do no harm, whatever they are.
#include <sys/syscall.h>

#include "guest.h"

int main() {
  for (long number : {9999l, 5000l, 1023l, -1l, -2l, 0x3fffffffl, 1l << 31}) {
    errno = 0;
    long result = syscall(number, 1, 2, 3, 4, 5, 6);
    Say("%ld: %ld errno %d", number, result, errno);
  }
  Say("goes on");
}
