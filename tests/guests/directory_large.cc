// R02: a directory of 3,000 entries (fewer on a slow machine) read through small and large buffers,
// rewound, sought.
#include <dirent.h>
#include <sys/syscall.h>

#include "guest.h"

int main() {
  CHECK(system("mkdir many") == 0);
  int entries = Times(3000);
  for (int i = 0; i < entries; ++i) {
    WriteFile(("many/entry_with_a_longish_name_" + std::to_string(i)).c_str(), "");
  }
  for (size_t size : {100u, 1000u, 32768u, 1048576u}) {
    int fd = open("many", O_RDONLY | O_DIRECTORY);
    std::string buffer(size, '\0');
    uint64_t sum = 0, in_order = 0;
    long count = 0, got;
    while ((got = syscall(SYS_getdents64, fd, buffer.data(), size)) > 0) {
      for (long at = 0; at < got;) {
        auto* entry = reinterpret_cast<dirent64*>(buffer.data() + at);
        uint64_t digest = Digest(entry->d_name, strlen(entry->d_name));
        sum += digest;
        in_order = in_order * 31 + digest;
        ++count;
        at += entry->d_reclen;
      }
    }
    CHECK(got == 0);
    Say("%zu: %ld entries, %016lx", size, count, sum);
    Vary("order %016lx", in_order);
    close(fd);
  }
  DIR* dir = opendir("many");
  for (int i = 0; i < 10; ++i) readdir(dir);
  long place = telldir(dir);
  std::string eleventh = readdir(dir)->d_name;
  rewinddir(dir);
  readdir(dir);
  seekdir(dir, place);
  Say("seek finds the same entry: %d", eleventh == readdir(dir)->d_name);
  closedir(dir);
}
