// R04: one process that executes another program five times; pid, descriptors and directory stay,
// memory, handlers and close-on-exec descriptors don't.
#include "guest.h"

int main(int argc, char** argv) {
  int step = argc > 1 ? atoi(argv[1]) : 0;
  pid_t pid = argc > 2 ? atoi(argv[2]) : getpid();
  CHECK(pid == getpid());
  struct sigaction usr1, usr2;
  CHECK(sigaction(SIGUSR1, nullptr, &usr1) == 0 && sigaction(SIGUSR2, nullptr, &usr2) == 0);
  Say("step %d: descriptor 9 %s, 8 %s, usr1 %s, usr2 %s, alarm left %d", step,
      fcntl(9, F_GETFD) >= 0 ? "open" : "closed", fcntl(8, F_GETFD) >= 0 ? "open" : "closed",
      usr1.sa_handler == SIG_DFL ? "default" : "set",
      usr2.sa_handler == SIG_IGN ? "ignored" : "not ignored", alarm(0) > 0);
  if (step == 5) return 55;
  CHECK(dup2(1, 9) == 9);
  CHECK(dup3(1, 8, O_CLOEXEC) == 8);
  Handle(SIGUSR1, [](int) {});
  signal(SIGUSR2, SIG_IGN);
  alarm(1000);
  std::string next = std::to_string(step + 1), same = std::to_string(pid);
  execl("/proc/self/exe", "another name", next.c_str(), same.c_str(), nullptr);
  GuestFailed(__FILE__, __LINE__, "exec");
}
