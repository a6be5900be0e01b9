// R05: ways in which threads end: joined, detached, by pthread_exit, cancelled, with destructors of
// thread variables and keys, while others are created; a race of joins.
//! link: threads
//! record-with: --check-every 1
#include "thread_guest.h"

static std::atomic<int> destroyed, key_destroyed, cleaned, detached_done;

struct Noisy {
  int value = 0;
  ~Noisy() { destroyed += value; }
};
static thread_local Noisy noisy;

int main() {
  pthread_key_t key;
  CHECK(pthread_key_create(&key, [](void* p) {
          key_destroyed += static_cast<int>(reinterpret_cast<intptr_t>(p));
        }) == 0);
  pthread_t thread;
  CHECK(pthread_create(
            &thread, nullptr,
            [](void* p) -> void* {
              noisy.value = 5;
              pthread_setspecific(*static_cast<pthread_key_t*>(p), reinterpret_cast<void*>(7));
              pthread_exit(reinterpret_cast<void*>(42));
            },
            &key) == 0);
  void* result;
  CHECK(pthread_join(thread, &result) == 0);
  Say("exit value %ld, destroyed %d, key %d", reinterpret_cast<long>(result), destroyed.load(),
      key_destroyed.load());

  int ends[2];
  CHECK(pipe(ends) == 0);
  Thread cancelled([&] {
    pthread_cleanup_push([](void*) { ++cleaned; }, nullptr);
    char byte;
    CHECK(read(ends[0], &byte, 1) < 0);
    pthread_cleanup_pop(0);
  });
  cancelled.AwaitSleep();
  CHECK(pthread_cancel(cancelled.id()) == 0);
  bool was_cancelled = cancelled.Join() == PTHREAD_CANCELED;
  Say("cancelled %d, cleaned %d", was_cancelled, cleaned.load());

  for (int round = 0; round < 20; ++round) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 5; ++i) {
      CHECK(pthread_create(
                &thread, &attributes,
                [](void*) -> void* {
                  ++detached_done;
                  return nullptr;
                },
                nullptr) == 0);
    }
    CHECK(pthread_create(
              &thread, nullptr,
              [](void*) -> void* {
                usleep(100);
                return nullptr;
              },
              nullptr) == 0);
    CHECK(pthread_join(thread, nullptr) == 0);
  }
  while (detached_done < 100) usleep(500);
  Say("detached %d", detached_done.load());

  // Two that wait for each other's end in turn, through the kernel's clearing of the thread id.
  pthread_t first, second;
  CHECK(pthread_create(
            &first, nullptr,
            [](void*) -> void* {
              usleep(1000);
              return nullptr;
            },
            nullptr) == 0);
  CHECK(pthread_create(
            &second, nullptr,
            [](void* other) -> void* {
              CHECK(pthread_join(*static_cast<pthread_t*>(other), nullptr) == 0);
              return nullptr;
            },
            &first) == 0);
  CHECK(pthread_join(second, nullptr) == 0);
  Say("done");
}
