// R06: sigtimedwait and sigwaitinfo that block while another thread looks at the siginfo; signalfd.
//! link: threads
#include <sys/signalfd.h>

#include "thread_guest.h"

int main() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 1);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  Room info(sizeof(siginfo_t));
  auto queue = [](int value) {
    sigval with;
    with.sival_int = value;
    CHECK(sigqueue(getpid(), SIGRTMIN + 1, with) == 0);
  };
  timespec timeout = {10, 0};
  Blocked(
      "sigtimedwait", {{&info}, {}, true},
      [&] { return sigtimedwait(&set, info.as<siginfo_t>(), &timeout) - SIGRTMIN; },
      [&] { queue(77); });
  Say("value %d, code %d", info.as<siginfo_t>()->si_value.sival_int, info.as<siginfo_t>()->si_code);
  info.Reset();
  Blocked(
      "sigwaitinfo", {{&info}, {}, true}, [&] { return sigwaitinfo(&set, info.as<siginfo_t>()); },
      [] { CHECK(kill(getpid(), SIGUSR1) == 0); });
  Say("own %d, code %d", info.as<siginfo_t>()->si_pid == getpid(), info.as<siginfo_t>()->si_code);
  info.Reset();
  timeout = {0, 30'000'000};
  Blocked(
      "sigtimedwait that times out", {{&info}, {}},
      [&] { return sigtimedwait(&set, info.as<siginfo_t>(), &timeout); }, [] {});
  int fd = signalfd(-1, &set, SFD_CLOEXEC);
  Room read_info(3 * sizeof(signalfd_siginfo));
  Blocked(
      "signalfd", {{&read_info}, {}, true},
      [&] { return read(fd, read_info.at(), read_info.size()); }, [&] { queue(78); });
  Say("signal %d, value %d", read_info.as<signalfd_siginfo>()->ssi_signo - SIGRTMIN,
      read_info.as<signalfd_siginfo>()->ssi_int);
  Say("behind it %x", static_cast<unsigned char>(read_info.at()[sizeof(signalfd_siginfo)]));
}
