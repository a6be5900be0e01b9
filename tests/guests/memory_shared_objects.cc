// R02: memfd, /dev/shm and System V shared memory, mapped more than once in one process.
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "guest.h"

int main() {
  int fd = memfd_create("guest", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, 8192) == 0);
  auto* one = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  auto* two = static_cast<char*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  CHECK(one != MAP_FAILED && two != MAP_FAILED);
  memcpy(one, "through one", 12);
  Say("[%s]", two);
  CHECK(pwrite(fd, "by pwrite", 10, 4096) == 10);
  Say("[%s]", one + 4096);
  int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
  CHECK(id >= 0);
  auto* v = static_cast<char*>(shmat(id, nullptr, 0));
  CHECK(v != reinterpret_cast<char*>(-1));
  CHECK(shmctl(id, IPC_RMID, nullptr) == 0);
  memcpy(v, "system v", 9);
  InChild([&] {
    Say("child sees [%s]", v);
    memcpy(v, "by child", 9);
  });
  Say("[%s]", v);
  CHECK(shmdt(v) == 0);
}
