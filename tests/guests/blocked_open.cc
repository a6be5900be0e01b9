// R05: opening a FIFO blocks until there is another end; the path may change meanwhile.
//! link: threads
//! differs: which of the two opens gets the lower descriptor is a race
#include <sys/stat.h>

#include "thread_guest.h"

int main() {
  CHECK(mkfifo("fifo", 0600) == 0);
  Room path(5);
  for (int mode : {O_RDONLY, O_WRONLY}) {
    path.Reset();
    memcpy(path.at(), "fifo", 5);
    int mine = -1;
    long fd = Blocked(
        mode == O_RDONLY ? "open to read" : "open to write", {{}, {}},
        [&] { return open(path.at(), mode); },
        [&] {
          memcpy(path.at(), "none", 5);
          mine = open("fifo", mode == O_RDONLY ? O_WRONLY : O_RDONLY);
        });
    int reader = mode == O_RDONLY ? static_cast<int>(fd) : mine;
    int writer = mode == O_RDONLY ? mine : static_cast<int>(fd);
    CHECK(write(writer, "through", 7) == 7);
    char text[8] = {};
    CHECK(read(reader, text, 7) == 7);
    Say("[%s], path now %s", text, path.at());
    close(reader);
    close(writer);
  }
}
