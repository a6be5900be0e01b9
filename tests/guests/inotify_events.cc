// R02: inotify tells of changes that the program and its child make.
#include <sys/inotify.h>

#include "guest.h"

int main() {
  int fd = inotify_init1(IN_CLOEXEC);
  CHECK(fd >= 0);
  int watch = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_CLOSE_WRITE);
  CHECK(watch >= 0);
  WriteFile("made", "x");
  InChild([] { CHECK(rename("made", "moved") == 0); });
  CHECK(unlink("moved") == 0);
  int events = 0;
  while (events < 4) {
    alignas(inotify_event) char buffer[4096];
    ssize_t got = read(fd, buffer, sizeof(buffer));
    CHECK(got > 0);
    for (ssize_t at = 0; at < got;) {
      auto* event = reinterpret_cast<inotify_event*>(buffer + at);
      Say("%08x %s", event->mask, event->name);
      at += sizeof(inotify_event) + event->len;
      ++events;
    }
  }
}
