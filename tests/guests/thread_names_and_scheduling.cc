// R05: names, affinities, priorities and lists of threads, as others see them.
//! link: threads
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "thread_guest.h"

int main() {
  std::atomic<uint32_t> word{0};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      char name[16];
      snprintf(name, sizeof(name), "worker-%d", i);
      CHECK(prctl(PR_SET_NAME, name) == 0);
      CHECK(setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 5 + i) == 0);
      while (word == 0) Futex(&word, FUTEX_WAIT_PRIVATE, 0);
    }));
    threads.back()->AwaitSleep();
  }
  for (auto& thread : threads) {
    char name[16];
    CHECK(pthread_getname_np(thread->id(), name, sizeof(name)) == 0);
    errno = 0;
    int priority = getpriority(PRIO_PROCESS, static_cast<id_t>(thread->tid()));
    cpu_set_t set;
    CHECK(pthread_getaffinity_np(thread->id(), sizeof(set), &set) == 0);
    Say("%s, priority %d, some cpu %d", name, priority, CPU_COUNT(&set) > 0);
    CHECK(pthread_setname_np(thread->id(), "renamed") == 0);
  }
  int count = 0, renamed = 0;
  DIR* tasks = opendir("/proc/self/task");
  while (dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    ++count;
    char path[300];
    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
    renamed += ReadFile(path) == "renamed\n";
  }
  closedir(tasks);
  Say("%d tasks, %d renamed", count, renamed);
  cpu_set_t one;
  CHECK(sched_getaffinity(0, sizeof(one), &one) == 0);
  CHECK(pthread_setaffinity_np(threads[0]->id(), sizeof(one), &one) == 0);
  sched_param parameter = {};
  Say("policy of idle: %d", pthread_setschedparam(threads[1]->id(), SCHED_IDLE, &parameter));
  int policy;
  CHECK(pthread_getschedparam(threads[1]->id(), &policy, &parameter) == 0);
  Say("is idle %d", policy == SCHED_IDLE);
  word = 1;
  Futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX);
}
