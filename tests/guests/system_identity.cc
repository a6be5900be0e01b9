// R07: what the system says of itself: names, load, memory, process ids, usage.
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "guest.h"

int main() {
  utsname name;
  CHECK(uname(&name) == 0);
  Say("%s %s %s", name.sysname, name.release, name.machine);
  struct sysinfo info;
  CHECK(sysinfo(&info) == 0);
  Vary("uptime %ld free %lu processes %d", info.uptime, info.freeram, info.procs);
  rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  Vary("user %ld.%06ld", usage.ru_utime.tv_sec, usage.ru_utime.tv_usec);
  Vary("pid %d ppid %d pgrp %d sid %d tid %d", getpid(), getppid(), getpgrp(), getsid(0), gettid());
  char host[100] = {};
  CHECK(gethostname(host, sizeof(host)) == 0);
  Say("host %s", host);
  Vary("load %s", ReadFile("/proc/loadavg").c_str());
  Vary("meminfo %016lx", Digest(ReadFile("/proc/meminfo").data(), 100));
  Say("processors %ld %ld", sysconf(_SC_NPROCESSORS_CONF), sysconf(_SC_NPROCESSORS_ONLN));
  double load[3];
  CHECK(getloadavg(load, 3) == 3);
  Vary("%.2f", load[0]);
}
