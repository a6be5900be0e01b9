// R04: a ring in shared memory between processes that wait by futexes, by yielding, or by spinning
// with no call at all; by anonymous memory, shm_open, memfd and System V.
//! link: threads
//! case: anonymous_futex anonymous futex
//! case: shm_yield shm yield
//! case: memfd_futex memfd futex
//! case: system_v_yield system_v yield
//! case: anonymous_spin anonymous spin
//! case: memfd_spin memfd spin
#include <sys/ipc.h>
#include <sys/shm.h>

#include "thread_guest.h"

struct Ring {
  std::atomic<uint32_t> head, tail;
  uint64_t slots[8];
};

static std::string waits;

static void AwaitChange(std::atomic<uint32_t>& word, uint32_t was) {
  while (word == was) {
    if (waits == "futex") Futex(&word, FUTEX_WAIT, was);
    if (waits == "yield") sched_yield();
  }
}

static void Set(std::atomic<uint32_t>& word, uint32_t value) {
  word = value;
  if (waits == "futex") Futex(&word, FUTEX_WAKE, INT_MAX);
}

static void* Make(const std::string& how) {
  int fd = -1;
  if (how == "system_v") {
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    CHECK(id >= 0);
    void* at = shmat(id, nullptr, 0);
    CHECK(shmctl(id, IPC_RMID, nullptr) == 0);
    return at;
  }
  if (how == "shm") {
    char name[40];
    snprintf(name, sizeof(name), "/retake-ring-%d", getpid());
    fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(fd >= 0 && shm_unlink(name) == 0);
  }
  if (how == "memfd") fd = memfd_create("ring", 0);
  if (fd >= 0) CHECK(ftruncate(fd, 4096) == 0);
  return mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd,
              0);
}

int main(int, char** argv) {
  waits = argv[2];
  auto* ring = static_cast<Ring*>(Make(argv[1]));
  CHECK(ring != MAP_FAILED);
  int count = waits == "spin" ? 40 : 200;
  pid_t child = Child([&] {
    uint64_t sum = 0;
    for (int i = 0; i < count; ++i) {
      uint32_t at = ring->head;
      AwaitChange(ring->tail, at);
      sum = sum * 31 + ring->slots[at % 8];
      Set(ring->head, at + 1);
    }
    Say("received %016lx", static_cast<unsigned long>(sum));
  });
  uint64_t full = 0;
  for (int i = 0; i < count; ++i) {
    uint32_t at = ring->tail;
    if (at - ring->head == 8) {
      ++full;
      AwaitChange(ring->head, at - 8);
    }
    ring->slots[at % 8] = static_cast<uint64_t>(i) * i + 7;
    Set(ring->tail, at + 1);
  }
  Say("%s", StatusText(WaitFor(child)).c_str());
  Vary("full %lu times", static_cast<unsigned long>(full));
}
