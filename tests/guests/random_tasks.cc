// R05: threads and processes that do at random what threads and processes do: compute, lock, wait,
// signal each other, jump out of handlers, fork, map and unmap memory, and race for a word that
// nothing protects. What they do is decided by the seed, and what comes of it by when each runs.
// tests/behaviour/soak.py runs it for as long as one likes.
//! link: threads
//! case: seed_1 1
//! case: seed_2 2
//! case: seed_3 3
//! case: seed_4 4
//! case: seed_5 5
//! case: seed_6 6
//! case: seed_7 7
//! case: seed_8 8
//! differs: when each runs
//! record-with: --check-every 1
#include <poll.h>
#include <setjmp.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "thread_guest.h"

namespace {

constexpr int kMostThreads = 5;

volatile uint64_t shared = 1;  // anybody writes it at any time
std::atomic<uint64_t> counted{0};
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
uint64_t guarded = 0;
int pipe_ends[2];
int event = -1;
int poller = -1;
std::atomic<uint32_t> futex_word{0};
pthread_t threads[kMostThreads];
std::atomic<int> alive[kMostThreads];

thread_local sigjmp_buf back;
thread_local volatile sig_atomic_t may_jump = 0;
thread_local char* barrier_page = nullptr;
size_t page_size = 0;

void Mix(uint64_t value) { shared = shared * 31 + value; }

void OnUser1(int) {
  Mix(counted.fetch_add(1));
  if (counted % 4 == 0) Mix(static_cast<uint64_t>(getppid() > 0));
}

void OnUser2(int) {
  Mix(17);
  if (may_jump == 0) return;
  may_jump = 0;
  siglongjmp(back, 1);
}

void OnAlarm(int) {
  uint64_t before = shared;
  for (int i = 0; i < Times(3'000); ++i) before = before * 3 + 1;
  Mix(before);
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  Mix(static_cast<uint64_t>(now.tv_nsec));
}

void OnFault(int, siginfo_t* info, void*) {
  auto* address = static_cast<char*>(info->si_addr);
  CHECK(barrier_page != nullptr && address >= barrier_page && address < barrier_page + page_size);
  CHECK(mprotect(barrier_page, page_size, PROT_READ | PROT_WRITE) == 0);
  Mix(5);
}

timespec Soon(uint64_t nanoseconds) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_nsec += static_cast<long>(nanoseconds);
  now.tv_sec += now.tv_nsec / 1'000'000'000;
  now.tv_nsec %= 1'000'000'000;
  return now;
}

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  uint64_t Roll(uint64_t sides) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % sides;
  }

 private:
  uint64_t state_;
};

// One thing after the other; returns a number that tells of all that it found.
class Actor {
 public:
  Actor(uint64_t seed, int count) : dice_(seed), count_(count) {
    page_ =
        static_cast<char*>(mmap(nullptr, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(page_ != MAP_FAILED);
  }
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;
  ~Actor() { munmap(page_, page_size); }

  uint64_t Act(int times) {
    for (int i = 0; i < times; ++i) Once();
    return found_;
  }

 private:
  void Found(uint64_t value) {
    found_ = found_ * 1'000'003 + value;
    Mix(value);
  }

  void Once() {
    switch (dice_.Roll(20)) {
      case 0:
      case 1:
        Compute(dice_.Roll(300'000));
        break;
      case 2:
        pthread_mutex_lock(&mutex);
        guarded = guarded * 7 + shared;
        Compute(dice_.Roll(5'000));
        Found(guarded);
        pthread_mutex_unlock(&mutex);
        break;
      case 3:
        if (pthread_mutex_trylock(&mutex) == 0) {
          guarded += 3;
          pthread_cond_broadcast(&changed);
          pthread_mutex_unlock(&mutex);
        }
        break;
      case 4: {
        pthread_mutex_lock(&mutex);
        timespec until = Soon(dice_.Roll(2'000'000));
        Found(static_cast<uint64_t>(pthread_cond_timedwait(&changed, &mutex, &until)));
        pthread_mutex_unlock(&mutex);
        break;
      }
      case 5:
        Pipe();
        break;
      case 6:
        usleep(static_cast<useconds_t>(dice_.Roll(2'000)));
        break;
      case 7:
        sched_yield();
        Found(shared);
        break;
      case 8:
        SignalSomebody(SIGUSR1);
        break;
      case 9:
        SignalSomebody(SIGUSR2);
        break;
      case 10:
        Jump();
        break;
      case 11: {
        // Squared: what a handler does has to be recorded before the next one runs.
        auto interval = static_cast<suseconds_t>(dice_.Roll(3) * 1'500) * Slowness() * Slowness();
        itimerval often{{0, interval}, {0, interval}};
        CHECK(setitimer(ITIMER_REAL, &often, nullptr) == 0);
        break;
      }
      case 12:
        Masked();
        break;
      case 13:
        Memory();
        break;
      case 14:
        Fork();
        break;
      case 15:
        Futex();
        break;
      case 16:
        Spin();
        break;
      case 17: {
        uint64_t value = dice_.Roll(9) + 1;
        Found(static_cast<uint64_t>(write(event, &value, sizeof value)));
        epoll_event got{};
        Found(static_cast<uint64_t>(epoll_wait(poller, &got, 1, static_cast<int>(dice_.Roll(2)))));
        if (read(event, &value, sizeof value) == sizeof value) Found(value);
        break;
      }
      case 18:
        Barrier();
        break;
      case 19:
        if (count_ > 1 && dice_.Roll(4) == 0) {
          Thread brief([&] { Mix(shared + 1); });
          brief.Join();
        } else {
          Found(static_cast<uint64_t>(getpid() > 0));
        }
        break;
    }
  }

  void Compute(uint64_t rounds) {
    for (uint64_t i = 0, most = rounds / static_cast<uint64_t>(Slowness()); i < most; ++i)
      shared = shared + i;
  }

  void Pipe() {
    char bytes[64];
    memset(bytes, static_cast<int>(dice_.Roll(250)), sizeof bytes);
    Found(static_cast<uint64_t>(write(pipe_ends[1], bytes, 1 + dice_.Roll(64))));
    pollfd wanted{pipe_ends[0], POLLIN, 0};
    Found(static_cast<uint64_t>(poll(&wanted, 1, static_cast<int>(dice_.Roll(3)))));
    ssize_t got = read(pipe_ends[0], bytes, 1 + dice_.Roll(64));
    if (got > 0) Found(static_cast<uint64_t>(bytes[got - 1]) + static_cast<uint64_t>(got));
  }

  void SignalSomebody(int signal) {
    auto whom = static_cast<int>(dice_.Roll(static_cast<uint64_t>(count_)));
    // Nobody is joined before all have ended.
    if (alive[whom] != 0) pthread_kill(threads[whom], signal);
  }

  void Jump() {
    if (sigsetjmp(back, 1) != 0) {
      Found(3);
      return;
    }
    may_jump = 1;
    if (dice_.Roll(2) == 0) raise(SIGUSR2);
    Compute(dice_.Roll(20'000));
    may_jump = 0;
  }

  void Masked() {
    sigset_t some, before, pending;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &some, &before);
    Compute(dice_.Roll(30'000));
    CHECK(sigpending(&pending) == 0);
    Found(static_cast<uint64_t>(sigismember(&pending, SIGUSR1)));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void Memory() {
    size_t size = (1 + dice_.Roll(8)) * page_size;
    auto* memory = static_cast<char*>(
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(memory != MAP_FAILED);
    for (size_t at = 0; at < size; at += 512) memory[at] = static_cast<char>(shared + at);
    if (dice_.Roll(2) == 0) CHECK(mprotect(memory, size / 2, PROT_READ) == 0);
    Found(static_cast<uint64_t>(memory[size - 512]));
    CHECK(munmap(memory, size) == 0);
  }

  void Fork() {
    if (dice_.Roll(3) == 0) {
      char name[] = "/bin/true";
      char* words[] = {name, nullptr};
      pid_t pid;
      CHECK(posix_spawn(&pid, name, nullptr, nullptr, words, nullptr) == 0);
      Found(static_cast<uint64_t>(WaitFor(pid)));
      return;
    }
    uint64_t seed = dice_.Roll(1'000'000);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      // Its locks may be held by threads that it hasn't got.
      uint64_t value = seed;
      for (uint64_t i = 0; i < 20'000 / static_cast<uint64_t>(Slowness()); ++i)
        value = value * 5 + shared;
      Mix(value);
      usleep(static_cast<useconds_t>(seed % 700));
      _exit(static_cast<int>(shared % 100));
    }
    Found(static_cast<uint64_t>(WaitFor(pid)));
  }

  void Futex() {
    timespec brief{0, static_cast<long>(dice_.Roll(1'500'000))};
    uint32_t seen = futex_word;
    auto* word = reinterpret_cast<uint32_t*>(&futex_word);
    if (dice_.Roll(2) == 0) {
      long got = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, &brief, nullptr, 0);
      Found(got == 0 ? 1 : static_cast<uint64_t>(errno));
    } else {
      futex_word = seen + 1;
      Found(static_cast<uint64_t>(
          syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 2, nullptr, nullptr, 0)));
    }
  }

  // Until somebody does anything, or not for ever.
  void Spin() {
    uint64_t before = shared;
    uint64_t rounds = 0;
    const uint64_t most = 400'000 / static_cast<uint64_t>(Slowness());
    while (shared == before && rounds < most) ++rounds;
    Found(rounds);
  }

  void Barrier() {
    barrier_page = page_;
    CHECK(mprotect(page_, page_size, PROT_READ) == 0);
    page_[dice_.Roll(page_size)] = static_cast<char>(shared);  // faults once
    Found(static_cast<uint64_t>(page_[0]));
    barrier_page = nullptr;
  }

  Dice dice_;
  int count_;
  char* page_ = nullptr;
  uint64_t found_ = 0;
};

}  // namespace

int main(int, char** argv) {
  const uint64_t seed = strtoull(argv[1], nullptr, 10);
  page_size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  Handle(SIGUSR1, OnUser1, SA_RESTART);
  Handle(SIGUSR2, OnUser2, seed % 2 == 0 ? SA_RESTART : 0);
  Handle(SIGALRM, OnAlarm, seed % 3 == 0 ? 0 : SA_RESTART);
  struct sigaction fault {};
  fault.sa_sigaction = OnFault;
  fault.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSEGV, &fault, nullptr) == 0);
  CHECK(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC) == 0);
  event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  poller = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{.events = EPOLLIN, .data = {}};
  CHECK(event >= 0 && poller >= 0 && epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted) == 0);
  Dice dice(seed);
  const int count = 1 + static_cast<int>(dice.Roll(kMostThreads));
  const int times =
      Times(20, 6) + static_cast<int>(dice.Roll(static_cast<uint64_t>(Times(150, 6))));
  uint64_t found[kMostThreads] = {};
  threads[0] = pthread_self();
  alive[0] = 1;
  {
    std::vector<std::unique_ptr<Thread>> others;
    for (int i = 1; i < count; ++i) {
      others.push_back(std::make_unique<Thread>([&, i] {
        threads[i] = pthread_self();
        alive[i] = 1;
        found[i] = Actor(seed * 100 + static_cast<uint64_t>(i), count).Act(times);
        alive[i] = 0;
      }));
    }
    found[0] = Actor(seed * 100, count).Act(times);
  }
  itimerval never{};
  CHECK(setitimer(ITIMER_REAL, &never, nullptr) == 0);
  for (int i = 0; i < count; ++i) Vary("%d found %016lx", i, static_cast<unsigned long>(found[i]));
  Say("%d threads did %d things each; %lx, %lx", count, times, static_cast<unsigned long>(shared),
      static_cast<unsigned long>(guarded));
}
