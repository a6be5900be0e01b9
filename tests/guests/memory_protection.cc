// R01: mprotect makes, splits and restores; execution of bytes just written.
#include <sys/mman.h>

#include "guest.h"

static int Answer() { return 42; }

int main() {
  auto* map = static_cast<char*>(
      mmap(nullptr, 16 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  CHECK(mprotect(map + 4096, 8 * 4096, PROT_READ | PROT_WRITE) == 0);
  memset(map + 4096, 'm', 8 * 4096);
  CHECK(mprotect(map + 2 * 4096, 4096, PROT_READ) == 0);
  int status = WaitFor(Child([&] { *const_cast<volatile char*>(map + 2 * 4096) = 1; }));
  Say("write to read-only: %s", StatusText(status).c_str());
  int fd = open("/dev/zero", O_RDONLY);
  CHECK(read(fd, map + 2 * 4096, 10) == -1 && errno == EFAULT);
  ssize_t partial = read(fd, map + 2 * 4096 - 5, 10);
  Say("read across the edge: %zd", partial);
  CHECK(mprotect(map + 2 * 4096, 4096, PROT_READ | PROT_WRITE) == 0);
  Say("contents kept %016lx", Digest(map + 4096, 8 * 4096));
  auto* code = static_cast<char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memcpy(code, reinterpret_cast<void*>(&Answer), 32);
  __builtin___clear_cache(code, code + 32);
  CHECK(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0);
  Say("copied code says %d", reinterpret_cast<int (*)()>(code)());
  CHECK(mprotect(map + 1, 4096, PROT_READ) == -1 && errno == EINVAL);
}
