// R05: waits for children that block while another thread looks at status, siginfo and usage.
//! link: threads
#include <sys/resource.h>

#include "thread_guest.h"

int main() {
  int ends[2];
  CHECK(pipe(ends) == 0);
  auto child = [&](int status) {
    return Child([=] {
      char byte;
      CHECK(read(ends[0], &byte, 1) == 1);
      _exit(status);
    });
  };
  auto let_go = [&] { CHECK(write(ends[1], "g", 1) == 1); };
  Room status(sizeof(int)), usage(sizeof(rusage)), info(sizeof(siginfo_t));
  pid_t pid = child(3);
  long got = Blocked(
      "wait4", {{&status, &usage}, {}, true},
      [&] { return wait4(pid, status.as<int>(), 0, usage.as<rusage>()) == pid; }, let_go);
  Say("wait4: %ld, %s", got, StatusText(*status.as<int>()).c_str());
  pid = child(4);
  status.Reset();
  Blocked(
      "waitpid of any", {{&status}, {}}, [&] { return waitpid(-1, status.as<int>(), 0) == pid; },
      let_go);
  Say("%s", StatusText(*status.as<int>()).c_str());
  pid = child(5);
  usage.Reset();
  Blocked(
      "waitid", {{&info, &usage}, {}, true},
      [&] { return syscall(SYS_waitid, P_PID, pid, info.at(), WEXITED | WNOWAIT, usage.at()); },
      let_go);
  Say("waitid: code %d, status %d, own %d", info.as<siginfo_t>()->si_code,
      info.as<siginfo_t>()->si_status, info.as<siginfo_t>()->si_pid == pid);
  // Left there by WNOWAIT. The bytes behind what waitid writes stay.
  info.Reset();
  CHECK(waitid(P_ALL, 0, info.as<siginfo_t>(), WEXITED) == 0);
  Say("last byte %x, status %d", static_cast<unsigned char>(info.at()[127]),
      info.as<siginfo_t>()->si_status);
  pid = child(6);
  status.Reset();
  Blocked(
      "wait that fails", {{&status}, {}},
      [&] {
        int result = waitpid(pid, nullptr, 0) == pid;
        return result != 1 ? -2 : waitpid(pid, status.as<int>(), 0);
      },
      let_go);
}
