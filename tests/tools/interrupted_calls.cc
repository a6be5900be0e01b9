// Threads that wait in every way that a stop may disturb, over and over: each checks that its call
// isn't interrupted, and doesn't return sooner than it was asked to. Ends when a file "go" exists;
// 1 if anything was wrong, which is said. With the argument "continued", only calls that the kernel
// goes on with by itself after a stop.
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

namespace {

constexpr long kNap = 30'000'000;  // ns

std::atomic<bool> over = false;
std::atomic<int> faults = 0;
std::atomic<long> rounds = 0;

long long Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// `wait` waits for at least `least` ns; gives the errno that it ended with.
void Repeat(const char* name, int wanted, long least, const std::function<int()>& wait) {
  while (!over) {
    long long begin = Now();
    int error = wait();
    long long took = Now() - begin;
    // A clock of jiffies may round down by one of them.
    // What is written at the end ends a read at once.
    bool too_soon = took < least - 11'000'000 && !over;
    if (error != wanted || too_soon) {
      printf("%s: %s after %lld us\n", name, strerror(error), took / 1000);
      fflush(stdout);
      ++faults;
    }
    ++rounds;
  }
}

int ErrorOf(long result) { return result < 0 ? errno : 0; }

}  // namespace

int main(int argc, char**) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);
  const timespec nap{0, kNap};
  const timeval nap_micro{0, kNap / 1000};

  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &nap_micro, sizeof nap_micro);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (bind(listener, reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)) != 0) return 1;
  listen(listener, 1);
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &nap_micro, sizeof nap_micro);
  int epoll = epoll_create1(0);
  int semaphore = semget(IPC_PRIVATE, 1, 0600);
  int ends[2];
  if (pipe(ends) != 0) return 2;

  std::vector<std::thread> threads;
  auto start = [&](const char* call, int wanted, const std::function<int()>& wait,
                   long least = kNap) {
    threads.emplace_back([=] { Repeat(call, wanted, least, wait); });
  };
  start("nanosleep", 0, [&] { return ErrorOf(nanosleep(&nap, nullptr)); });
  start("clock_nanosleep, absolute", 0, [&] {
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += kNap;
    if (until.tv_nsec >= 1'000'000'000) {
      until.tv_nsec -= 1'000'000'000;
      ++until.tv_sec;
    }
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  });
  start("poll", 0, [&] { return ErrorOf(poll(nullptr, 0, kNap / 1'000'000)); });
  start("ppoll", 0, [&] { return ErrorOf(ppoll(nullptr, 0, &nap, nullptr)); });
  start("select", 0, [&] {
    timeval limit = nap_micro;
    return ErrorOf(select(0, nullptr, nullptr, nullptr, &limit));
  });
  start("futex", ETIMEDOUT, [&] {
    int word = 0;
    return ErrorOf(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &nap, nullptr, 0));
  });
  auto read_byte = [&] {
    char byte = 0;
    return read(ends[0], &byte, 1) == 1 ? 0 : EIO;
  };
  // Another thread writes, on a busy machine soon after this one has begun to read.
  start("read of a pipe", 0, read_byte, 0);
  std::thread writer([&] {
    while (!over) {
      nanosleep(&nap, nullptr);
      nanosleep(&nap, nullptr);
      if (write(ends[1], "x", 1) != 1) ++faults;
    }
    if (write(ends[1], "x", 1) != 1) ++faults;
  });
  // These are given EINTR by any stop.
  if (argc == 1) {
    start("recv", EAGAIN, [&] {
      char byte = 0;
      return ErrorOf(recv(pair[0], &byte, 1, 0));
    });
    start("epoll_wait", 0, [&] {
      epoll_event event{};
      return ErrorOf(epoll_wait(epoll, &event, 1, kNap / 1'000'000));
    });
    start("sigtimedwait", EAGAIN, [&] { return ErrorOf(sigtimedwait(&blocked, nullptr, &nap)); });
    start("semtimedop", EAGAIN, [&] {
      sembuf down{0, -1, 0};
      return ErrorOf(semtimedop(semaphore, &down, 1, &nap));
    });
    start("accept", EAGAIN, [&] { return ErrorOf(accept(listener, nullptr, nullptr)); });
  }

  puts("ready");
  fflush(stdout);
  while (access("go", F_OK) != 0) nanosleep(&nap, nullptr);
  over = true;
  for (std::thread& thread : threads) thread.join();
  writer.join();
  semctl(semaphore, 0, IPC_RMID);
  printf("%d faults\n", faults.load());
  return faults == 0 && rounds > 0 ? 0 : 1;
}
