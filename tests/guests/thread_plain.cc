// R05: one thread, made and joined.
//! link: threads
#include <pthread.h>

#include "guest.h"

int main() {
  Say("before the thread");
  pthread_t thread;
  int error = pthread_create(
      &thread, nullptr, [](void* p) { return p; }, nullptr);
  CHECK(error == 0);
  CHECK(pthread_join(thread, nullptr) == 0);
  Say("after the thread");
}
