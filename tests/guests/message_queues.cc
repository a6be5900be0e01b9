// R04: System V and POSIX message queues and semaphores between processes.
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "guest.h"

struct Message {
  long type;
  char text[32];
};

int main() {
  int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  int semaphores = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
  CHECK(queue >= 0 && semaphores >= 0);
  pid_t pid = Child([&] {
    Message message = {2, "second kind"};
    CHECK(msgsnd(queue, &message, sizeof(message.text), 0) == 0);
    message = {1, "first kind"};
    CHECK(msgsnd(queue, &message, sizeof(message.text), 0) == 0);
    sembuf wait_for = {0, -2, 0};
    CHECK(semop(semaphores, &wait_for, 1) == 0);
    Say("child got its semaphore");
  });
  Message got = {};
  CHECK(msgrcv(queue, &got, sizeof(got.text), 1, 0) == 32);
  Say("[%s]", got.text);
  CHECK(msgrcv(queue, &got, sizeof(got.text), 0, 0) == 32);
  Say("[%s]", got.text);
  sembuf give = {0, 2, 0};
  CHECK(semop(semaphores, &give, 1) == 0);
  CHECK(WaitFor(pid) == 0);
  Say("value %d", semctl(semaphores, 0, GETVAL));
  CHECK(msgctl(queue, IPC_RMID, nullptr) == 0 && semctl(semaphores, 0, IPC_RMID) == 0);
  std::string name = "/guest." + std::to_string(getpid());
  mqd_t mq = mq_open(name.c_str(), O_CREAT | O_RDWR, 0600, nullptr);
  if (mq < 0) {
    Vary("no posix queues: errno %d", errno);
    return 0;
  }
  CHECK(mq_unlink(name.c_str()) == 0);
  CHECK(mq_send(mq, "low", 4, 1) == 0 && mq_send(mq, "high", 5, 9) == 0);
  char buffer[8192];
  unsigned priority;
  ssize_t size = mq_receive(mq, buffer, sizeof(buffer), &priority);
  Vary("%zd [%s] %u", size, buffer, priority);
}
