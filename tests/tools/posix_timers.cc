// Timers of every sort, with a gap in their ids, looked at before and after a file "go" appears:
// says "same" if each goes on with its interval, no later than it should, with its own signal and
// value, to its own thread.
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

constexpr int kValue = 0x1234;
std::atomic<int> seen_by[2];  // the thread that got each signal

void OnSignal(int signal, siginfo_t* info, void*) {
  if (info->si_code == SI_TIMER && info->si_value.sival_int == kValue + signal - SIGRTMIN)
    seen_by[signal - SIGRTMIN] = static_cast<int>(syscall(SYS_gettid));
}

int Create(clockid_t clock, int notify, int signal, int tid) {
  sigevent event{};
  event.sigev_notify = notify;
  event.sigev_signo = signal;
  event.sigev_value.sival_int = kValue + signal - SIGRTMIN;
  event._sigev_un._tid = tid;
  int id = -1;
  if (syscall(SYS_timer_create, clock, &event, &id) != 0) abort();
  return id;
}

void Set(int id, int first_ms, int every_ms) {
  constexpr int kMs = 1'000'000;
  itimerspec value{{every_ms / 1000, every_ms % 1000 * kMs},
                   {first_ms / 1000, first_ms % 1000 * kMs}};
  if (syscall(SYS_timer_settime, id, 0, &value, nullptr) != 0) abort();
}

itimerspec Get(int id) {
  itimerspec value{};
  if (syscall(SYS_timer_gettime, id, &value) != 0) printf("timer %d is gone\n", id);
  return value;
}

}  // namespace

int main() {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGRTMIN, &action, nullptr);
  sigaction(SIGRTMIN + 1, &action, nullptr);

  std::atomic<int> other = 0;
  std::atomic<bool> over = false;
  std::thread thread([&] {
    other = static_cast<int>(syscall(SYS_gettid));
    while (!over) usleep(1000);
  });
  while (other == 0) usleep(100);
  Create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0);
  int gap = Create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
  int to_process = Create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 0);
  int to_thread = Create(CLOCK_REALTIME, SIGEV_THREAD_ID, SIGRTMIN + 1, other);
  int quiet = Create(CLOCK_BOOTTIME, SIGEV_NONE, 0, 0);
  int cpu = Create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE, 0, 0);
  int disarmed = Create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
  syscall(SYS_timer_delete, gap);
  Set(to_process, 1, 20);
  Set(to_thread, 1, 30);
  Set(quiet, 1'000'000, 7'000);
  Set(cpu, 500'000, 0);
  puts("ready");
  while (access("go", F_OK) != 0) usleep(1000);

  bool good = true;
  auto check = [&](bool holds, const char* what) {
    if (!holds) printf("not as it was: %s\n", what);
    good = good && holds;
  };
  check(Get(quiet).it_interval.tv_sec == 7, "an interval");
  check(Get(quiet).it_value.tv_sec > 900 && Get(quiet).it_value.tv_sec < 1000, "what remains");
  check(Get(cpu).it_value.tv_sec > 400 && Get(cpu).it_value.tv_sec <= 500, "what remains of CPU");
  check(Get(disarmed).it_value.tv_sec == 0 && Get(disarmed).it_value.tv_nsec == 0, "disarmed");
  itimerspec value{};
  check(syscall(SYS_timer_gettime, gap, &value) != 0, "the gap");
  for (std::atomic<int>& seen : seen_by) seen = 0;
  for (int i = 0; i < 2000 && (seen_by[0] == 0 || seen_by[1] == 0); ++i) usleep(1000);
  check(seen_by[0] != 0, "the process's signal");
  check(seen_by[1] == other, "the thread's signal");
  over = true;
  thread.join();
  if (good) puts("same");
  return 0;
}
