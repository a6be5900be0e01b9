// What guests with threads share: threads that can be awaited in a call, buffers between canaries
// and guard pages, and a call that blocks while another thread looks at what it is to fill.
//
// A recorder that let the kernel write a blocked call's results while another thread runs would
// show that thread other bytes than a replay does. So Blocked() lets the main thread look at the
// buffers, and count in the bytes beside them, between the moment at which the call may return and
// the next call of its own; what it saw is part of the output.
#ifndef RETAKE_TESTS_GUESTS_THREAD_GUEST_H_
#define RETAKE_TESTS_GUESTS_THREAD_GUEST_H_

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include "guest.h"

inline void AwaitThreadSleep(pid_t tid) {
  char path[60];
  snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
  for (int seen = 0; seen < 2;) {
    char text[512] = {};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (got <= 0) return;
    const char* state = strrchr(text, ')');
    seen = state != nullptr && state[2] == 'S' ? seen + 1 : 0;
    usleep(1000);
  }
}

class Thread {
 public:
  explicit Thread(std::function<void()> body) : body_(std::move(body)) {
    CHECK(sem_init(&started_, 0, 0) == 0);
    CHECK(pthread_create(&id_, nullptr, Main, this) == 0);
    while (sem_wait(&started_) != 0) CHECK(errno == EINTR);
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  ~Thread() { Join(); }

  pthread_t id() const { return id_; }
  pid_t tid() const { return tid_; }
  // Waits until it sleeps in a call.
  void AwaitSleep() const { AwaitThreadSleep(tid_); }
  void Signal(int number) const { CHECK(pthread_kill(id_, number) == 0); }
  void* Join() {
    void* result = nullptr;
    if (!joined_) CHECK(pthread_join(id_, &result) == 0);
    joined_ = true;
    return result;
  }

 private:
  static void* Main(void* self_pointer) {
    auto* self = static_cast<Thread*>(self_pointer);
    self->tid_ = static_cast<pid_t>(syscall(SYS_gettid));
    sem_post(&self->started_);
    self->body_();
    return nullptr;
  }

  std::function<void()> body_;
  sem_t started_;
  pthread_t id_ = {};
  pid_t tid_ = 0;
  bool joined_ = false;
};

// A buffer that ends at the last byte before a page that can't be touched, with canaries and such a
// page before it.
class Room {
 public:
  explicit Room(size_t size) : size_(size) {
    auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    inner_ = (size + 64 + page - 1) / page * page;
    auto* area = static_cast<char*>(
        mmap(nullptr, inner_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(area != MAP_FAILED);
    inside_ = area + page;
    CHECK(mprotect(inside_, inner_, PROT_READ | PROT_WRITE) == 0);
    Reset();
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() {
    auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    munmap(inside_ - page, inner_ + 2 * page);
  }

  char* at() const { return inside_ + inner_ - size_; }
  size_t size() const { return size_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(at());
  }
  // The bytes right before the buffer, to count in.
  uint32_t Beside() const {
    uint32_t value;
    memcpy(&value, at() - sizeof(value), sizeof(value));
    return value;
  }
  void CountBeside() const {
    uint32_t value = Beside() + 1;
    memcpy(at() - sizeof(value), &value, sizeof(value));
  }
  void Reset() const {
    memset(inside_, 0x5a, inner_);
    memset(at() - 4, 0, 4);
  }
  void Scribble() const { memset(at(), 0xa5, size_); }
  void CheckCanaries() const {
    for (char* p = inside_; p < at() - 4; ++p) CHECK(*p == 0x5a);
  }
  uint64_t Sum() const { return Digest(at(), size_); }

 private:
  size_t size_;
  size_t inner_;
  char* inside_;
};

struct BlockedCall {
  std::initializer_list<const Room*> outputs;  // what the kernel only writes to
  std::initializer_list<const Room*> both;     // what it reads too, left alone while it waits
  bool varies = false;                         // what is written differs from run to run
};

// Makes `call` in a thread of its own, which must block; then scribbles over what it is to write,
// lets `release` make it return, and looks at the buffers all the while. Returns its result.
inline long Blocked(const char* name, const BlockedCall& buffers, const std::function<long()>& call,
                    const std::function<void()>& release) {
  long result = 0;
  int error = 0;
  Thread thread([&] {
    errno = 0;
    result = call();
    error = errno;
  });
  thread.AwaitSleep();
  std::vector<const Room*> all(buffers.outputs);
  for (const Room* room : all) room->Scribble();
  all.insert(all.end(), buffers.both);
  uint64_t before = 0;
  size_t size = 1;
  for (const Room* room : all) {
    before = before * 31 + room->Sum();
    size += room->size();
  }
  release();
  uint64_t seen = 0;
  int rounds = static_cast<int>(200'000 / size) + 3;
  int changed = -1;
  for (int i = 0; i < rounds; ++i) {
    uint64_t now = 0;
    for (const Room* room : all) {
      room->CountBeside();
      now = now * 31 + room->Sum();
      asm volatile("" ::: "memory");
    }
    if (now != before && changed < 0) changed = i;
    seen = seen * 31 + now;
  }
  thread.Join();
  uint64_t sum = 0;
  for (const Room* room : all) {
    room->CheckCanaries();
    CHECK(room->Beside() == static_cast<uint32_t>(rounds));
    sum = sum * 31 + room->Sum();
  }
  Vary("%s: looked %d times, changed at %d, saw %016lx", name, rounds, changed,
       static_cast<unsigned long>(seen));
  if (buffers.varies) {
    Vary("%s: wrote %016lx", name, static_cast<unsigned long>(sum));
  } else if (!all.empty()) {
    Say("%s: wrote %016lx", name, static_cast<unsigned long>(sum));
  }
  Say("%s: result %ld, errno %d", name, result, error);
  return result;
}

// The raw futex call: its result, or the error number below zero.
inline long Futex(std::atomic<uint32_t>* word, int operation, uint32_t value,
                  const timespec* timeout = nullptr, std::atomic<uint32_t>* second = nullptr,
                  uint32_t third = 0) {
  long result = syscall(SYS_futex, word, operation, value, timeout, second, third);
  return result < 0 ? -errno : result;
}
// For operations whose fourth argument is a number.
inline long FutexCount(std::atomic<uint32_t>* word, int operation, uint32_t value, uint32_t count,
                       std::atomic<uint32_t>* second, uint32_t third = 0) {
  long result =
      syscall(SYS_futex, word, operation, value, static_cast<unsigned long>(count), second, third);
  return result < 0 ? -errno : result;
}

#endif  // RETAKE_TESTS_GUESTS_THREAD_GUEST_H_
