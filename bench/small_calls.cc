// 300,000 small syscalls and nothing else: the price of an interception, undiluted.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char** argv) {
  long count = argc > 1 ? atol(argv[1]) : 300'000;
  int fd = open("/dev/zero", O_RDONLY);
  char buffer[64];
  long sum = 0;
  for (long i = 0; i < count; i += 3) {
    sum += read(fd, buffer, sizeof(buffer));
    sum += syscall(SYS_getppid) > 0;
    sum += lseek(fd, 0, SEEK_CUR) == 0;
  }
  printf("%ld\n", sum);
}
