// R07: the legacy vsyscall page, which no syscall stop sees.
#include <sys/time.h>
#include <time.h>

#include "guest.h"
#include "guest_arch.h"

int main() {
  std::string maps = ReadFile("/proc/self/maps");
  bool exists = maps.find("[vsyscall]") != std::string::npos;
  Say("vsyscall page %s", exists ? "exists" : "is absent");
  if (!exists) return 0;
  for (int i = 0; i < 3; ++i) {
    long seconds = VsyscallTime();
    timeval tv = {};
    CHECK(VsyscallGettimeofday(&tv) == 0);
    unsigned cpu = 12345;
    CHECK(VsyscallGetcpu(&cpu) == 0);
    Say("agrees with time(): %d %d, cpu known %d", labs(time(nullptr) - seconds) < 5,
        labs(time(nullptr) - tv.tv_sec) < 5, cpu != 12345);
    Vary("%ld %ld.%06ld cpu %u", seconds, tv.tv_sec, tv.tv_usec, cpu);
  }
}
