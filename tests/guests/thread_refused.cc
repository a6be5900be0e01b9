// R08: threads that share memory come later: until then the recording ends with a sentence.
//! link: threads
//! expect: 125 thread
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
