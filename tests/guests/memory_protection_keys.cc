// R01: memory protection keys, where the CPU has them. A program that is executed has none of those
// that the process had before.
#include <sys/mman.h>

#include "guest.h"

static void ExecuteMyself(const char* how) {
  execl("/proc/self/exe", "again", how, nullptr);
  CHECK(!"exec");
}

// In a program that was executed by one with keys.
static void ComeAgain(const std::string& how) {
  int key = pkey_alloc(0, 0);
  Say("%s: key %d", how.c_str(), key);
  if (how == "by the same") ExecuteMyself("by the second");
}

int main(int argc, char** argv) {
  if (argc > 1) {
    ComeAgain(argv[1]);
    return 0;
  }
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
  WaitFor(Child([] { ExecuteMyself("by a child"); }));
  // Memory that can only be executed takes one, too.
  void* code = mmap(nullptr, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(code != MAP_FAILED);
  CHECK(pkey_free(key) == 0);
  pid_t child = vfork();
  if (child == 0) {
    execl("/proc/self/exe", "again", "by a vfork child", nullptr);
    _exit(98);
  }
  WaitFor(child);
  ExecuteMyself("by the same");
}
