// What each tier of interception costs, without anything that retake does at it: the floor that the
// kernel sets. A child makes calls in a loop; for each tier it is set up differently. Time is per
// call. The recorder and its child share a CPU, as retake's do (waking a task on another virtual
// CPU costs three to five times more).
//
// Kernel: seccomp_unotify(2), ptrace(2) (PTRACE_O_TRACESYSGOOD, PTRACE_GETREGSET).
#include <benchmark/benchmark.h>
#include <elf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

namespace retake {
namespace {

constexpr int kCalls = 20'000;

void ShareOneCpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(sched_getcpu(), &cpus);
  sched_setaffinity(0, sizeof(cpus), &cpus);
}

void Calls() {
  for (int i = 0; i < kCalls; ++i) syscall(SYS_getppid);
}

// A filter as the gate is: looks at where the call comes from, then at its number.
void InstallGate() {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345678, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, instruction_pointer) + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345678, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {std::size(code), code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

void NativeCall(benchmark::State& state) {
  while (state.KeepRunningBatch(kCalls)) Calls();
}
BENCHMARK(NativeCall);

void GatedCall(benchmark::State& state) {
  // The filter can't be taken off again: in a child, which reports through its exit only.
  while (state.KeepRunningBatch(kCalls)) {
    pid_t child = fork();
    if (child == 0) {
      InstallGate();
      Calls();
      _exit(0);
    }
    waitpid(child, nullptr, 0);
  }
}
BENCHMARK(GatedCall)->UseRealTime();

void NotifiedCall(benchmark::State& state) {
  ShareOneCpu();
  auto* number = static_cast<volatile int*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  while (state.KeepRunningBatch(kCalls)) {
    *number = 0;
    pid_t child = fork();
    if (child == 0) {
      sock_filter code[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      };
      sock_fprog program = {std::size(code), code};
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      long fd =
          syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
      *number = fd < 0 ? -1 : static_cast<int>(fd);
      if (fd >= 0) Calls();
      _exit(0);
    }
    while (*number == 0) sched_yield();
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    Fd listener(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), *number, 0)));
    if (!listener) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
      state.SkipWithError("no listener (pidfd_getfd)");
      return;
    }
    for (int i = 0; i < kCalls; ++i) {
      seccomp_notif seen = {};
      if (ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, &seen) != 0) break;
      seccomp_notif_resp answer = {};
      answer.id = seen.id;
      answer.val = 1;
      ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    waitpid(child, nullptr, 0);
  }
}
BENCHMARK(NotifiedCall)->UseRealTime();

// Argument: 0 stops only, 1 with registers read at both stops.
void StoppedCall(benchmark::State& state) {
  ShareOneCpu();
  while (state.KeepRunningBatch(kCalls)) {
    pid_t child = fork();
    if (child == 0) {
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      raise(SIGSTOP);
      Calls();
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    char registers[1024];
    for (;;) {
      ptrace(PTRACE_SYSCALL, child, 0, 0);
      if (waitpid(child, &status, 0) != child || WIFEXITED(status)) break;
      if (state.range(0) != 0) {
        iovec piece = {registers, sizeof(registers)};
        ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &piece);
      }
    }
  }
}
BENCHMARK(StoppedCall)->Arg(0)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace retake
