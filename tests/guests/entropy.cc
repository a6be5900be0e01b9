// R07: random bytes from every source a program can reach.
#include <sys/auxv.h>
#include <sys/random.h>

#include <random>

#include "guest.h"

static void Show(const char* what, const void* bytes, size_t size) {
  Vary("%s %016lx", what, Digest(bytes, size));
}

int main() {
  char bytes[300];
  CHECK(getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes));
  Show("getrandom", bytes, sizeof(bytes));
  CHECK(getrandom(bytes, 16, GRND_NONBLOCK) == 16);
  Show("nonblocking", bytes, 16);
  CHECK(getentropy(bytes, 32) == 0);
  Show("getentropy", bytes, 32);
  for (const char* path : {"/dev/urandom", "/dev/random"}) {
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, bytes, 32) == 32);
    Show(path, bytes, 32);
    close(fd);
  }
  std::string uuid = ReadFile("/proc/sys/kernel/random/uuid");
  Vary("uuid %s", uuid.substr(0, 36).c_str());
  Show("AT_RANDOM", reinterpret_cast<void*>(getauxval(AT_RANDOM)), 16);
  Vary("addresses %p %p %p", static_cast<void*>(bytes), reinterpret_cast<void*>(&main),
       malloc(1'000'000));
  Vary("rand32 %u", arc4random());
  // By an instruction, where the CPU says that it has one.
  Vary("device %u", std::random_device()());
  char name[] = "tempXXXXXX";
  int fd = mkstemp(name);
  CHECK(fd >= 0 && unlink(name) == 0);
  Vary("temporary %s", name);
  Say("all read");
}
