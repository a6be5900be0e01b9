// R02: write(), pwrite(), ftruncate() and copies to a file that is mapped shared change memory that
// the call doesn't name.
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "guest.h"

int main() {
  WriteFile("data", Pattern(3 * 4096));
  int fd = open("data", O_RDWR), other = open("data", O_RDWR);
  auto* map =
      static_cast<char*>(mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  CHECK(map != MAP_FAILED);
  CHECK(write(other, "written", 7) == 7);
  Say("[%.7s]", map);
  CHECK(pwrite(fd, "second page", 11, 4096) == 11);
  Say("[%.11s]", map + 4096);
  char a[] = "vec", b[] = "tor";
  iovec pieces[] = {{a, 3}, {b, 3}};
  CHECK(pwritev(other, pieces, 2, 5000) == 6);
  Say("[%.6s]", map + 5000);
  WriteFile("source", "from another file");
  int source = open("source", O_RDONLY);
  CHECK(lseek(other, 8192, SEEK_SET) == 8192);
  CHECK(sendfile(other, source, nullptr, 17) == 17);
  Say("[%.17s]", map + 8192);
  off_t in = 0, out = 9000;
  if (copy_file_range(source, &in, fd, &out, 17, 0) != 17)
    CHECK(pwrite(fd, "from another file", 17, 9000) == 17);
  Say("[%.17s]", map + 9000);
  CHECK(ftruncate(fd, 4096 + 100) == 0);
  Say("after truncation the tail is zero: %d", map[4096 + 100] == 0 && map[8191] == 0);
  CHECK(ftruncate(fd, 3 * 4096) == 0);
  Say("grown again, zero: %d", map[8192] == 0 && map[9000] == 0);
  CHECK(fallocate(fd, 3 /* punch hole, keep size */, 0, 4096) == 0 || errno == EOPNOTSUPP ||
        pwrite(fd, std::string(4096, '\0').data(), 4096, 0) == 4096);
  Say("digest %016lx", Digest(map, 3 * 4096));
}
