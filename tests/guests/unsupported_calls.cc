// R08: calls that the table refuses say so by the errno that makes programs fall back.
//! differs: natively some of these work
#include <sys/syscall.h>

#include "guest.h"

int main() {
  char parameters[256] = {};
  long result = syscall(425 /* io_uring_setup, both architectures */, 4, parameters);
  Say("io_uring_setup %ld errno %d", result, errno);
  Say("goes on");
}
