// R01: memory protection keys, where the CPU has them.
#include <sys/mman.h>

#include "guest.h"

int main() {
  auto* area = static_cast<char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  area[0] = 'k';
  int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
  if (key < 0) {
    Say("no keys here");
    return 0;
  }
  Say("key %d", key);
  CHECK(pkey_mprotect(area, 4096, PROT_READ | PROT_WRITE, key) == 0);
  Say("readable: %c", area[0]);
  int status = WaitFor(Child([&] { *const_cast<volatile char*>(area) = 'x'; }));
  Say("written: %s", StatusText(status).c_str());
  CHECK(pkey_set(key, 0) == 0);
  area[0] = 'y';
  Say("after leave: %c, rights %d", area[0], pkey_get(key));
  CHECK(pkey_set(key, PKEY_DISABLE_ACCESS) == 0);
  status = WaitFor(Child([&] { CHECK(*const_cast<volatile char*>(area) == 'y'); }));
  Say("read: %s", StatusText(status).c_str());
  CHECK(pkey_mprotect(area, 4096, PROT_READ | PROT_WRITE, -1) == 0);
  CHECK(pkey_free(key) == 0);
}
