// What a process and its threads have set for themselves by prctl and its like, each thread another
// user and another memory error policy: looked at before and after a file "go" appears.
//
// With the argument "confined" a thread is confined by seccomp, alone, and waits.
#include <grp.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/mempolicy.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

// <linux/prctl.h> and <linux/membarrier.h>; headers of Debian 12 lack them.
constexpr int kSetMdwe = 65;
constexpr int kGetMdwe = 66;
constexpr int kGetRegistrations = 1 << 9;
constexpr unsigned long kMaxNodes = 1024;

bool Exists(const char* path) { return access(path, F_OK) == 0; }

void AwaitGo() {
  while (!Exists("go")) usleep(1000);
}

std::string StatusLines() {
  std::ifstream file("/proc/thread-self/status");
  std::string line, out;
  while (std::getline(file, line)) {
    for (const char* name : {"Uid:", "Gid:", "Groups:", "Cap", "NoNewPrivs:", "Speculation"})
      if (line.rfind(name, 0) == 0) out += line + "\n";
  }
  return out;
}

std::string Attributes() {
  int mode = -1;
  unsigned long nodes[kMaxNodes / 8 / sizeof(long)] = {};
  syscall(SYS_get_mempolicy, &mode, nodes, kMaxNodes, 0, 0);
  std::string out = StatusLines();
  out += "policy " + std::to_string(mode) + " " + std::to_string(nodes[0]) + "\n";
  out += "memory error " + std::to_string(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0)) + "\n";
  out += "mdwe " + std::to_string(prctl(kGetMdwe, 0, 0, 0, 0)) + "\n";
  out += "membarrier " + std::to_string(syscall(SYS_membarrier, kGetRegistrations, 0, 0)) + "\n";
  return out;
}

bool SameAfterGo(const char* who) {
  std::string before = Attributes();
  AwaitGo();
  std::string after = Attributes();
  if (before == after) return true;
  printf("%s had\n%s, and has\n%s", who, before.c_str(), after.c_str());
  return false;
}

void Confine() {
  sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  sock_fprog program{1, &allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) perror("seccomp");
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (argc > 1 && strcmp(argv[1], "confined") == 0) {
    std::thread confined([] {
      Confine();
      puts("ready");
      AwaitGo();
    });
    confined.join();
    return 0;
  }
  syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
  prctl(kSetMdwe, 1, 0, 0, 0);
  bool same[2] = {false, false};
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&same, i] {
      // Of the calling thread alone, by the calls themselves.
      unsigned long node = 1;
      if (i == 0) syscall(SYS_set_mempolicy, MPOL_BIND, &node, kMaxNodes);
      prctl(PR_MCE_KILL, PR_MCE_KILL_SET, i == 0 ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0, 0);
      if (i == 1 && geteuid() == 0) {
        gid_t group = 5;
        syscall(SYS_setgroups, 1, &group);
        syscall(SYS_setresgid, 6, 6, 6);
        syscall(SYS_setresuid, 65534, 65534, 65534);
      }
      same[i] = SameAfterGo(i == 0 ? "the first thread" : "the second thread");
    });
  }
  usleep(50'000);
  puts("ready");
  bool leader = SameAfterGo("the leader");
  for (std::thread& thread : threads) thread.join();
  if (leader && same[0] && same[1]) puts("same");
}
