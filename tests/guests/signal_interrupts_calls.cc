// R06: a signal during a call that blocks: EINTR, or restarted with SA_RESTART, for read, write,
// nanosleep, wait, poll, select, futex-free pauses and sigsuspend.
#include <poll.h>
#include <sys/select.h>
#include <time.h>

#include "guest.h"

static volatile sig_atomic_t count;
static void OnSignal(int) { count = count + 1; }

// A child that signals us a few times and then, if asked, makes `fd` readable.
static pid_t Poke(int times, int fd) {
  return Child([=] {
    for (int i = 0; i < times; ++i) {
      AwaitSleep(getppid());
      kill(getppid(), SIGUSR1);
    }
    AwaitSleep(getppid());
    if (fd >= 0) CHECK(write(fd, "d", 1) == 1);
  });
}

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  char byte;
  for (int flags : {0, SA_RESTART}) {
    Say("flags %s", flags ? "restart" : "none");
    Handle(SIGUSR1, OnSignal, flags);
    count = 0;
    pid_t pid = Poke(2, ends[1]);
    int interrupted = 0;
    ssize_t got;
    while ((got = read(ends[0], &byte, 1)) < 0) {
      CHECK(errno == EINTR);
      ++interrupted;
    }
    CHECK(WaitFor(pid) == 0);
    Say("read: %zd after %d interruptions, %d handled", got, interrupted, count);

    pid = Poke(1, -1);
    int status = 0;
    interrupted = 0;
    while (waitpid(pid, &status, 0) < 0) {
      CHECK(errno == EINTR);
      ++interrupted;
    }
    Say("wait: %d interruptions", interrupted);

    pid = Poke(1, -1);
    timespec request = {0, 999'999'999}, left = {};
    int result = nanosleep(&request, &left);
    Say("nanosleep %d, left more than none %d", result, left.tv_nsec > 0);
    Vary("left %ld", left.tv_nsec);
    CHECK(WaitFor(pid) == 0);

    pid = Poke(1, -1);
    timespec deadline;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &deadline) == 0);
    deadline.tv_sec += 1;
    result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr);
    Say("absolute sleep %d", result);
    CHECK(WaitFor(pid) == 0);

    pid = Poke(1, -1);
    pollfd wait_for = {ends[0], POLLIN, 0};
    result = poll(&wait_for, 1, 5000);
    Say("poll %d errno %d", result, errno);
    CHECK(WaitFor(pid) == 0);

    pid = Poke(1, -1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    timeval timeout = {5, 0};
    result = select(ends[0] + 1, &set, nullptr, nullptr, &timeout);
    Say("select %d errno %d", result, errno);
    Vary("select left %ld.%06ld", timeout.tv_sec, timeout.tv_usec);
    CHECK(WaitFor(pid) == 0);

    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &block, &old) == 0);
    pid = Poke(1, -1);
    count = 0;
    result = sigsuspend(&old);
    Say("sigsuspend %d errno %d, handled %d", result, errno, count);
    CHECK(sigprocmask(SIG_SETMASK, &old, nullptr) == 0);
    CHECK(WaitFor(pid) == 0);

    std::string big(300'000, 'b');
    int large[2];
    CHECK(pipe(large) == 0);
    pid = Child([&] {
      AwaitSleep(getppid());
      kill(getppid(), SIGUSR1);
      usleep(30'000);
      close(large[1]);
      CHECK(ReadAll(large[0]).size() >= 65536);
    });
    ssize_t wrote = write(large[1], big.data(), big.size());
    Say("write came back with %s", wrote == 300'000 ? "all"
                                   : wrote == 65536 ? "what fitted"
                                                    : "less");
    close(large[0]);
    close(large[1]);
    CHECK(WaitFor(pid) == 0);
  }
}
