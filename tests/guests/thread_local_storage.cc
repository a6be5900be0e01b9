// R05: variables of threads: initialised, zero, with constructors, and of a library that is loaded
// later; each thread has its own, across switches.
//! link: threads
#include <dlfcn.h>

#include "thread_guest.h"

static thread_local int initialised = 17;
static thread_local char zeroed[5000];
static thread_local std::string constructed = "made";

int main() {
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, 5) == 0);
  std::string results[5];
  // A library with thread variables of its own, found by name at run time.
  void* library = dlopen("libm.so.6", RTLD_NOW);
  CHECK(library != nullptr);
  auto* square_root = reinterpret_cast<double (*)(double)>(dlsym(library, "sqrt"));
  {
    std::vector<std::unique_ptr<Thread>> threads;
    for (int i = 0; i < 5; ++i) {
      threads.push_back(std::make_unique<Thread>([&, i] {
        for (int round = 0; round < 10; ++round) {
          initialised += i;
          zeroed[round * 400] = static_cast<char>(i + round);
          constructed += static_cast<char>('a' + i);
          errno = i * 100 + round;
          pthread_barrier_wait(&barrier);
          sched_yield();
          CHECK(errno == i * 100 + round);
        }
        errno = 0;
        (void)square_root(-1.0);
        char text[200];
        snprintf(text, sizeof(text), "%d %016lx %s %d", initialised,
                 static_cast<unsigned long>(Digest(zeroed, sizeof(zeroed))), constructed.c_str(),
                 errno);
        results[i] = text;
      }));
    }
  }
  for (auto& result : results) Say("%s", result.c_str());
  Say("main's own %d %s", initialised, constructed.c_str());
}
