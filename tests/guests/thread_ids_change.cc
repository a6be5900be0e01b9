// R05: setuid, setgid and setgroups in a program with threads: the library makes the call in each
// thread, by a signal that interrupts whatever it waits in.
//! link: threads
#include <grp.h>

#include "thread_guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  std::atomic<uint32_t> word{0};
  std::atomic<bool> check{false};
  std::string told[3];
  auto tell = [&](int i) {
    uid_t real, effective, saved;
    CHECK(getresuid(&real, &effective, &saved) == 0);
    char text[100];
    snprintf(text, sizeof(text), "%d %d %d", real == effective, effective == saved,
             getegid() == getgid());
    told[i] = text;
  };
  Thread reader([&] {
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    tell(0);
  });
  Thread waiter([&] {
    while (word == 0) Futex(&word, FUTEX_WAIT_PRIVATE, 0);
    tell(1);
  });
  Thread yielder([&] {
    while (!check) sched_yield();
    tell(2);
  });
  reader.AwaitSleep();
  waiter.AwaitSleep();
  bool root = getuid() == 0;
  gid_t groups[2] = {getgid(), getgid()};
  int result = setgroups(2, groups);
  Say("setgroups as expected %d", (result == 0) == root || errno == EPERM);
  CHECK(setgid(getgid()) == 0);
  CHECK(setresuid(getuid(), getuid(), getuid()) == 0);
  check = true;
  CHECK(write(ends[1], "x", 1) == 1);
  word = 1;
  Futex(&word, FUTEX_WAKE_PRIVATE, 1);
  for (Thread* thread : {&reader, &waiter, &yielder}) thread->Join();
  for (auto& text : told) Say("%s", text.c_str());
}
