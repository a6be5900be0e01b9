// Traces a process, says so, and waits: `tracer PID`.
#include <sys/ptrace.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int, char** argv) {
  if (ptrace(PTRACE_SEIZE, atoi(argv[1]), nullptr, nullptr) != 0) return 1;
  puts("tracing");
  fflush(stdout);
  pause();
}
