// R05: protection keys are rights of a thread: what one may touch another may not.
//! link: threads
#include <setjmp.h>

#include "thread_guest.h"

static thread_local sigjmp_buf back;

static bool Touch(volatile char* at, bool to_write, int key, int rights) {
  volatile bool write = to_write;  // survives the jump
  if (sigsetjmp(back, 1) != 0) {
    // A handler starts with rights of its own, which a jump out of it keeps.
    CHECK(pkey_set(key, rights) == 0);
    return false;
  }
  if (write) {
    *at = *at + 1;
  } else {
    (void)*at;
  }
  return true;
}

int main() {
  int key = pkey_alloc(0, 0);
  if (key < 0) {
    Say("no keys here");
    return 0;
  }
  Handle(SIGSEGV, [](int) { siglongjmp(back, 1); });
  auto* page = static_cast<char*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(pkey_mprotect(page, 4096, PROT_READ | PROT_WRITE, key) == 0);
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, 3) == 0);
  const int rights[3] = {0, PKEY_DISABLE_WRITE, PKEY_DISABLE_ACCESS};
  std::string results[3];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      CHECK(pkey_set(key, rights[i]) == 0);
      for (int round = 0; round < 3; ++round) {
        pthread_barrier_wait(&barrier);
        results[i] += Touch(page, false, key, rights[i]) ? 'r' : '-';
        pthread_barrier_wait(&barrier);
        results[i] += Touch(page, true, key, rights[i]) ? 'w' : '-';
        CHECK(pkey_get(key) == rights[i]);
      }
    }));
  }
  threads.clear();
  for (auto& result : results) Say("%s", result.c_str());
  Say("written %d times", *page);
}
