// R04: System V shared memory: attached twice, by a child, and removed.
#include <sys/ipc.h>
#include <sys/shm.h>

#include "guest.h"

int main() {
  int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
  CHECK(id >= 0);
  auto* memory = static_cast<char*>(shmat(id, nullptr, 0));
  shmctl(id, IPC_RMID, nullptr);
  CHECK(memory != reinterpret_cast<char*>(-1));
  memcpy(memory, "system v", 9);
  InChild([&] {
    Say("child sees [%s]", memory);
    memcpy(memory, "by child", 9);
  });
  Say("[%s]", memory);
  CHECK(shmdt(memory) == 0);
}
