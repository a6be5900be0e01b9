// R05: threads that write to one file by a shared offset, by O_APPEND, at their own places and by
// copy_file_range: nothing is lost, and what each call did is the same in a replay.
//! link: threads
#include <sys/stat.h>

#include "thread_guest.h"

int main() {
  int shared = open("shared", O_RDWR | O_CREAT, 0600);
  int append = open("append", O_RDWR | O_CREAT | O_APPEND, 0600);
  int placed = open("placed", O_RDWR | O_CREAT, 0600);
  WriteFile("source", Pattern(40'000));
  int source = open("source", O_RDONLY);
  int copy = open("copy", O_RDWR | O_CREAT, 0600);
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      char record[100];
      for (int j = 0; j < 25; ++j) {
        memset(record, 'a' + i, sizeof(record));
        CHECK(write(shared, record, sizeof(record)) == 100);
        CHECK(write(append, record, 50) == 50);
        CHECK(pwrite(placed, record, 100, (j * 4 + i) * 100) == 100);
        off64_t from = (i * 25 + j) * 400, to = from;
        while (from < (i * 25 + j + 1) * 400) {
          ssize_t moved =
              copy_file_range(source, &from, copy, &to, (i * 25 + j + 1) * 400 - from, 0);
          CHECK(moved > 0);
        }
        if (j % 10 == 0) sched_yield();
      }
    }));
  }
  threads.clear();
  for (int fd : {shared, append, placed, copy}) {
    struct stat status;
    CHECK(fstat(fd, &status) == 0);
    Say("size %ld", static_cast<long>(status.st_size));
  }
  size_t counts[4] = {};
  for (char c : ReadFile("shared")) ++counts[c - 'a'];
  Say("each %zu %zu %zu %zu", counts[0], counts[1], counts[2], counts[3]);
  std::string contents = ReadFile("shared"), order;
  for (size_t i = 0; i < contents.size(); i += 100) order += contents[i];
  Vary("%s", order.c_str());
  Say("placed %016lx", static_cast<unsigned long>(Digest(ReadFile("placed").data(), 10'000)));
  Say("copy is the same: %d", ReadFile("copy") == ReadFile("source"));
  CHECK(unlink("shared") == 0 && unlink("append") == 0);
}
