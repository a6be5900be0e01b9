// R06: pthread_kill to a thread that waits in each kind of call: EINTR without SA_RESTART, the call
// goes on with it, and the same for calls that never restart.
//! link: threads
//! case: interrupts none
//! case: restarts restart
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "thread_guest.h"

static std::atomic<int> handled;
static bool restarts;

// Makes `call` in a thread, sends the signal twice, and lets `release` end it where it went on.
static void Kind(const char* name, const std::function<long()>& call,
                 const std::function<void()>& release) {
  handled = 0;
  long result = -99;
  int error = 0;
  std::atomic<bool> done{false};
  Thread thread([&] {
    errno = 0;
    result = call();
    error = errno;
    done = true;
  });
  thread.AwaitSleep();
  thread.Signal(SIGUSR1);
  while (handled < 1) usleep(500);
  // Either it sleeps again, or it has ended, or will.
  if (restarts) {
    thread.AwaitSleep();
  } else {
    for (int i = 0; i < 20 && !done; ++i) usleep(500);
  }
  release();
  thread.Join();
  Say("%s: result %ld, errno %d, handled %d", name, result, result < 0 ? error : 0, handled.load());
}

int main(int, char** argv) {
  restarts = strcmp(argv[1], "restart") == 0;
  Handle(
      SIGUSR1, [](int) { handled = handled + 1; }, restarts ? SA_RESTART : 0);
  int ends[2], full[2], pair[2];
  CHECK(pipe(ends) == 0 && pipe(full) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  char byte;
  auto put = [&] { CHECK(write(ends[1], "x", 1) == 1); };
  auto drain = [&] {
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    while (read(ends[0], &byte, 1) == 1) {
    }
    CHECK(fcntl(ends[0], F_SETFL, 0) == 0);
  };
  Kind(
      "read", [&] { return read(ends[0], &byte, 1); }, put);
  drain();
  CHECK(fcntl(full[1], F_SETFL, O_NONBLOCK) == 0);
  // A pipe has room again when a whole page of it was read.
  std::string chunk(static_cast<size_t>(sysconf(_SC_PAGESIZE)), 'f');
  while (write(full[1], chunk.data(), chunk.size()) > 0) {
  }
  CHECK(fcntl(full[1], F_SETFL, 0) == 0);
  Kind(
      "write", [&] { return write(full[1], chunk.data(), chunk.size()); },
      [&] {
        CHECK(read(full[0], chunk.data(), chunk.size()) == static_cast<ssize_t>(chunk.size()));
      });
  Kind(
      "recv", [&] { return recv(pair[0], &byte, 1, 0); },
      [&] { CHECK(send(pair[1], "x", 1, 0) == 1); });
  CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
  while (recv(pair[0], &byte, 1, 0) == 1) {
  }
  CHECK(fcntl(pair[0], F_SETFL, 0) == 0);
  timeval timeout = {100, 0};
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0);
  Kind(
      "recv with a time-out", [&] { return recv(pair[0], &byte, 1, 0); },
      [&] { CHECK(send(pair[1], "x", 1, 0) == 1); });
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "listener");
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener, 5) == 0);
  Kind(
      "accept", [&] { return accept(listener, nullptr, nullptr) >= 0 ? 0 : -1; },
      [&] {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
      });
  pollfd polled = {ends[0], POLLIN, 0};
  Kind(
      "poll", [&] { return poll(&polled, 1, -1); }, put);
  drain();
  fd_set set;
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  Kind(
      "select", [&] { return select(ends[0] + 1, &set, nullptr, nullptr, nullptr); }, put);
  drain();
  int poller = epoll_create1(0);
  epoll_event event = {};
  event.events = EPOLLIN;
  CHECK(epoll_ctl(poller, EPOLL_CTL_ADD, ends[0], &event) == 0);
  Kind(
      "epoll_wait", [&] { return epoll_wait(poller, &event, 1, -1); }, put);
  drain();
  std::atomic<uint32_t> word{0};
  auto wake = [&] { Futex(&word, FUTEX_WAKE_PRIVATE, 1); };
  Kind(
      "futex", [&] { return Futex(&word, FUTEX_WAIT_PRIVATE, 0); }, wake);
  timespec relative = {100, 0};
  Kind(
      "futex with time-out", [&] { return Futex(&word, FUTEX_WAIT_PRIVATE, 0, &relative); }, wake);
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  Kind(
      "sem_wait", [&] { return sem_wait(&semaphore); }, [&] { sem_post(&semaphore); });
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  Kind(
      "mutex", [&] { return pthread_mutex_lock(&mutex); }, [&] { pthread_mutex_unlock(&mutex); });
  int go[2];
  CHECK(pipe(go) == 0);
  pid_t child = Child([&] { CHECK(read(go[0], &byte, 1) == 1); });
  int status;
  Kind(
      "waitpid", [&] { return waitpid(child, &status, 0) == child ? 0 : -1; },
      [&] { CHECK(write(go[1], "x", 1) == 1); });
  if (!restarts) CHECK(WaitFor(child) == 0);
  int semaphores = semget(IPC_PRIVATE, 1, 0600);
  Kind(
      "semop",
      [&] {
        sembuf down = {0, -1, 0};
        return semop(semaphores, &down, 1);
      },
      [&] {
        sembuf up = {0, 1, 0};
        CHECK(semop(semaphores, &up, 1) == 0);
      });
  CHECK(semctl(semaphores, 0, IPC_RMID) == 0);
  WriteFile("locked", "x");
  int one = open("locked", O_RDWR), two = open("locked", O_RDWR);
  CHECK(flock(one, LOCK_EX) == 0);
  Kind(
      "flock", [&] { return flock(two, LOCK_EX); }, [&] { CHECK(flock(one, LOCK_UN) == 0); });
  CHECK(flock(two, LOCK_UN) == 0 && flock(one, LOCK_UN) == 0);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  CHECK(fcntl(one, F_OFD_SETLK, &lock) == 0);
  Kind(
      "F_OFD_SETLKW", [&] { return fcntl(two, F_OFD_SETLKW, &lock); },
      [&] {
        struct flock unlock = {};
        unlock.l_type = F_UNLCK;
        CHECK(fcntl(one, F_OFD_SETLK, &unlock) == 0);
      });
  CHECK(mkfifo("fifo", 0600) == 0);
  Kind(
      "open", [&] { return open("fifo", O_RDONLY) >= 0 ? 0 : -1; },
      [&] {
        int fd = open("fifo", O_WRONLY | O_NONBLOCK);
        CHECK(fd >= 0 || !restarts);
      });
  int counter = eventfd(0, 0);
  eventfd_t value;
  Kind(
      "eventfd", [&] { return eventfd_read(counter, &value); },
      [&] { CHECK(eventfd_write(counter, 1) == 0); });
}
