// R01: a program that confines itself by seccomp filters: each verdict, several filters at once,
// threads, what survives fork and exec, what the kernel refuses.
//! link: threads
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "thread_guest.h"

static sock_filter Load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
static sock_filter Ret(uint32_t action) { return BPF_STMT(BPF_RET | BPF_K, action); }

static long InstallAll(std::vector<sock_filter> code, unsigned flags = 0) {
  sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

// One call gets `action`, all others are allowed.
static long Install(long number, uint32_t action, unsigned flags = 0) {
  return InstallAll({Load(offsetof(seccomp_data, nr)),
                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1),
                     Ret(action), Ret(SECCOMP_RET_ALLOW)},
                    flags);
}

static std::string Made(long number) {
  errno = 0;
  long result = syscall(number);
  return std::to_string(result) + ", errno " + std::to_string(errno);
}

static void Ends(const char* what, const std::function<void()>& body) {
  pid_t pid = Child([&] {
    rlimit none = {};  // no core files
    setrlimit(RLIMIT_CORE, &none);
    body();
  });
  Say("%s: %s", what, StatusText(WaitFor(pid)).c_str());
}

static void Refusals() {
  Say(
      "mode %d, avail %ld %ld", prctl(PR_GET_SECCOMP),
      [] {
        uint32_t action = SECCOMP_RET_ERRNO;
        return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
      }(),
      [] {
        uint32_t action = 0x12340000;
        return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? long{errno} : 0;
      }());
  auto refused = [](const char* what, std::vector<sock_filter> code, unsigned flags = 0) {
    errno = 0;
    long result = InstallAll(std::move(code), flags);
    Say("%s: %ld, errno %d", what, result, errno);
  };
  sock_filter allow = Ret(SECCOMP_RET_ALLOW);
  refused("nothing", {});
  refused("no return", {Load(0)});
  refused("unaligned", {Load(2), allow});
  refused("beyond", {Load(sizeof(seccomp_data)), allow});
  refused("far jump", {BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), allow});
  refused("division by zero", {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), allow});
  refused("long shift", {BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), allow});
  refused("word not stored", {BPF_STMT(BPF_LD | BPF_MEM, 3), allow});
  refused("no such word", {BPF_STMT(BPF_ST, 16), allow});
  refused("byte load", {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), allow});
  refused("flags", {allow}, 0x8000'0000);
  errno = 0;
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr);
  Say("nowhere: %ld, errno %d", result, errno);
  result = syscall(SYS_seccomp, 77, 0, nullptr);
  Say("no such operation: %ld, errno %d", result, errno);
}

static void Verdicts() {
  Ends("error", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 77) == 0);
    Say("mode %d", prctl(PR_GET_SECCOMP));
    Say("getppid %s; getpid works: %d", Made(SYS_getppid).c_str(), getpid() > 0);
    InChild([] { Say("in a child: %s", Made(SYS_getppid).c_str()); });
  });
  Ends("zero", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO) == 0);
    Say("getppid %ld", syscall(SYS_getppid));
  });
  Ends("large error", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff) == 0);
    Say("getppid %s", Made(SYS_getppid).c_str());
  });
  Ends("no tracer", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_TRACE | 5) == 0);
    Say("getppid %s", Made(SYS_getppid).c_str());
  });
  Ends("log", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_LOG) == 0);
    Say("getppid works: %d", syscall(SYS_getppid) > 0);
  });
  Ends("unknown number", [] {
    CHECK(Install(4000, SECCOMP_RET_ERRNO | 78) == 0);
    Say("4000: %s", Made(4000).c_str());
  });
  Ends("kill process", [] {
    Handle(SIGSYS, [](int) { Say("not reached"); });
    CHECK(Install(SYS_getppid, SECCOMP_RET_KILL_PROCESS) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
  Ends("kill the only thread", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_KILL_THREAD) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
  Ends("no such action", [] {
    CHECK(Install(SYS_getppid, 0x12340000) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
  Ends("strict", [] {
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    CHECK(write(1, "strict: writes\n", 15) == 15);
    syscall(SYS_exit, 4);
  });
  Ends("strict, another call", [] {
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    syscall(SYS_getppid);
    CHECK(write(1, "not reached\n", 12) == 12);
  });
}

static void Traps() {
  static auto handler = [](int signal, siginfo_t* info, void*) {
    Say("signal %d, code %d, errno %d, call is getppid: %d, arch known: %d", signal, info->si_code,
        info->si_errno, info->si_syscall == SYS_getppid, info->si_arch != 0);
  };
  auto handle = [] {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    CHECK(sigaction(SIGSYS, &action, nullptr) == 0);
  };
  Ends("trap", [&] {
    handle();
    CHECK(Install(SYS_getppid, SECCOMP_RET_TRAP | 1234) == 0);
    for (int i = 0; i < 3; ++i) syscall(SYS_getppid);
    Say("after the traps");
  });
  Ends("trap, blocked", [&] {
    handle();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    CHECK(sigprocmask(SIG_BLOCK, &set, nullptr) == 0);
    CHECK(Install(SYS_getppid, SECCOMP_RET_TRAP) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
  Ends("trap, ignored", [] {
    CHECK(signal(SIGSYS, SIG_IGN) != SIG_ERR);
    CHECK(Install(SYS_getppid, SECCOMP_RET_TRAP) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
  Ends("trap, default", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_TRAP) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
}

static void Several() {
  Ends("the more restrictive wins", [] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 5) == 0);
    CHECK(Install(SYS_getppid, SECCOMP_RET_LOG) == 0);
    Say("getppid %s", Made(SYS_getppid).c_str());
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 6) == 0);
    Say("the newest of equals: getppid %s", Made(SYS_getppid).c_str());
    CHECK(Install(SYS_getppid, SECCOMP_RET_KILL_PROCESS) == 0);
    CHECK(Install(SYS_getppid, SECCOMP_RET_ALLOW) == 0);
    syscall(SYS_getppid);
    Say("not reached");
  });
  Ends("arguments", [] {
    // dup3 to a number from 100 on is refused; the sum is made the long way.
    CHECK(InstallAll({
              Load(offsetof(seccomp_data, nr)),
              BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 0, 11),
              Load(offsetof(seccomp_data, args) + 8),
              BPF_STMT(BPF_ST, 15),
              BPF_STMT(BPF_LD | BPF_IMM, 3),
              BPF_STMT(BPF_MISC | BPF_TAX, 0),
              BPF_STMT(BPF_LD | BPF_MEM, 15),
              BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0),
              BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
              BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
              BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 3),
              BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 100, 0, 1),
              Ret(SECCOMP_RET_ERRNO | 79),
              Ret(SECCOMP_RET_ALLOW),
          }) == 0);
    Say("to 99: %d", dup3(1, 99, 0));
    int result = dup3(1, 100, 0);
    Say("to 100: %d, errno %d", result, errno);
  });
  Ends("a returned accumulator", [] {
    CHECK(InstallAll({
              Load(offsetof(seccomp_data, nr)),
              BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 1, 0),
              Ret(SECCOMP_RET_ALLOW),
              BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ERRNO),
              BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 80),
              BPF_STMT(BPF_RET | BPF_A, 0),
          }) == 0);
    Say("getppid %s", Made(SYS_getppid).c_str());
  });
  Ends("clocks of the vDSO need no call", [] {
    CHECK(Install(SYS_clock_gettime, SECCOMP_RET_KILL_PROCESS) == 0);
    timespec now = {};
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    Say("it was read: %d", now.tv_sec > 0);
  });
}

static void Threads() {
  Ends("one thread's filter is its own", [] {
    Thread confined([] {
      CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 81) == 0);
      Say("in it: %s", Made(SYS_getppid).c_str());
      Thread child([] { Say("in its child: %s", Made(SYS_getppid).c_str()); });
      child.Join();
      errno = 0;
      Say("refused to the others: %d",
          Install(SYS_getppid, SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_TSYNC) == 0);
    });
    confined.Join();
    Say("beside it: %d", syscall(SYS_getppid) > 0);
  });
  Ends("a filter for all threads", [] {
    std::atomic<bool> installed{false};
    Thread other([&] {
      while (!installed) usleep(300);
      Say("in another: %s", Made(SYS_getppid).c_str());
    });
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 82, SECCOMP_FILTER_FLAG_TSYNC) == 0);
    installed = true;
    other.Join();
  });
  Ends("not for all where one differs", [] {
    std::atomic<int> step{0};
    Thread other([&] {
      CHECK(Install(SYS_getuid, SECCOMP_RET_ALLOW) == 0);
      step = 1;
      while (step < 2) usleep(300);
    });
    while (step < 1) usleep(300);
    long result = Install(SYS_getppid, SECCOMP_RET_ALLOW, SECCOMP_FILTER_FLAG_TSYNC);
    Say("its thread is named: %d", result > 0);
    step = 2;
    other.Join();
  });
  Ends("one thread is killed", [] {
    std::atomic<bool> started{false};
    pthread_t id;
    CHECK(pthread_create(
              &id, nullptr,
              [](void* said) -> void* {
                CHECK(Install(SYS_getppid, SECCOMP_RET_KILL_THREAD) == 0);
                *static_cast<std::atomic<bool>*>(said) = true;
                syscall(SYS_getppid);
                Say("not reached");
                return nullptr;
              },
              &started) == 0);
    while (!started) usleep(300);
    pthread_join(id, nullptr);
    Say("the others go on");
  });
  Ends("one thread's call kills all", [] {
    Thread other([] {
      CHECK(Install(SYS_getppid, SECCOMP_RET_KILL_PROCESS) == 0);
      syscall(SYS_getppid);
    });
    for (;;) usleep(1000);
  });
}

int main(int argc, char** argv) {
  if (argc > 1) {
    Say("after exec: %s, mode %d", Made(SYS_getppid).c_str(), prctl(PR_GET_SECCOMP));
    return 0;
  }
  Say("no_new_privs %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  Say("no_new_privs %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  Refusals();
  Verdicts();
  Traps();
  Several();
  Threads();
  Ends("exec", [&] {
    CHECK(Install(SYS_getppid, SECCOMP_RET_ERRNO | 83) == 0);
    char word[] = "again";
    char* words[] = {argv[0], word, nullptr};
    execv("/proc/self/exe", words);
  });
}
