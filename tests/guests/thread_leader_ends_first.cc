// R05: the main thread ends by pthread_exit while others go on, talk, make threads, and end the
// process with a status of their own.
//! link: threads
//! case: returns last returns
//! case: exits last exits
//! case: killed last killed
#include "thread_guest.h"

static pthread_t main_thread;
static pid_t main_tid;
static const char* how;

static char StateOfMain() {
  char path[40], text[512] = {};
  snprintf(path, sizeof(path), "/proc/%d/stat", main_tid);
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
  close(fd);
  return strrchr(text, ')')[2];
}

int main(int, char** argv) {
  main_thread = pthread_self();
  main_tid = getpid();
  how = argv[2];
  pthread_t other;
  CHECK(pthread_create(
            &other, nullptr,
            [](void*) -> void* {
              CHECK(pthread_join(main_thread, nullptr) == 0);
              Say("joined the main thread; the process id stays %d", getpid() == main_tid);
              while (StateOfMain() != 'Z') usleep(1000);
              Say("it is a zombie");
              Thread([] { Say("a new thread"); }).Join();
              InChild([] { Say("a child's %d", getppid() == main_tid); });
              if (strcmp(how, "exits") == 0) exit(7);
              if (strcmp(how, "killed") == 0) raise(SIGKILL);
              return nullptr;
            },
            nullptr) == 0);
  Say("the main thread ends");
  pthread_exit(nullptr);
}
