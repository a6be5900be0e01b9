// R06: ignored signals during calls that a handled one would end with EINTR, however they are set
// up: nobody is woken for them.
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include "guest.h"

// A child that pokes its parent, which sleeps, and then does what the parent waits for.
template <typename Body>
static pid_t Poke(Body body) {
  return Child([=] {
    for (int i = 0; i < 3; ++i) {
      AwaitSleep(getppid());
      kill(getppid(), SIGUSR1);
      kill(getppid(), SIGWINCH);
      Child([] { _exit(0); });  // SIGCHLD is this one's own
    }
    AwaitSleep(getppid());
    body();
  });
}

static const char* Outcome(int result) { return result < 0 ? strerrorname_np(errno) : "done"; }

int main() {
  signal(SIGUSR1, SIG_IGN);
  int ends[2];
  CHECK(pipe(ends) == 0);
  int epoll = epoll_create1(0);
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = 42}};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event) == 0);

  pid_t pid = Poke([&] { CHECK(write(ends[1], "d", 1) == 1); });
  Say("epoll_wait %s", Outcome(epoll_wait(epoll, &event, 1, -1)));
  CHECK(WaitFor(pid) == 0);
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);

  pid = Poke([] {});
  Say("epoll_wait with a timeout %d", epoll_wait(epoll, &event, 1, 300));
  CHECK(WaitFor(pid) == 0);
  pid = Poke([&] { CHECK(write(ends[1], "d", 1) == 1); });
  Say("epoll_wait with a long timeout %d", epoll_wait(epoll, &event, 1, 1'000'000));
  CHECK(WaitFor(pid) == 0);
  CHECK(read(ends[0], &byte, 1) == 1);

  sigset_t none;
  sigemptyset(&none);
  pid = Poke([&] { CHECK(write(ends[1], "d", 1) == 1); });
  Say("epoll_pwait %s", Outcome(epoll_pwait(epoll, &event, 1, -1, &none)));
  CHECK(WaitFor(pid) == 0);

  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR2);
  sigprocmask(SIG_BLOCK, &wanted, nullptr);
  pid = Poke([] { kill(getppid(), SIGUSR2); });
  Say("sigwaitinfo %s", Outcome(sigwaitinfo(&wanted, nullptr)));
  CHECK(WaitFor(pid) == 0);

  int semaphores = semget(IPC_PRIVATE, 1, 0600);
  CHECK(semaphores >= 0);
  sembuf down = {0, -1, 0}, up = {0, 1, 0};
  pid = Poke([&] { CHECK(semop(semaphores, &up, 1) == 0); });
  Say("semop %s", Outcome(semop(semaphores, &down, 1)));
  CHECK(WaitFor(pid) == 0);
  CHECK(semctl(semaphores, 0, IPC_RMID) == 0);

  // A handled one does end them.
  signal(SIGUSR1, [](int) {});
  CHECK(read(ends[0], &byte, 1) == 1);
  pid = Child([] {
    AwaitSleep(getppid());
    kill(getppid(), SIGWINCH);
    kill(getppid(), SIGUSR1);
  });
  Say("with a handler %s", Outcome(epoll_wait(epoll, &event, 1, -1)));
  CHECK(WaitFor(pid) == 0);
}
