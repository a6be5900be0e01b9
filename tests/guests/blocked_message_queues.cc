// R05: message queues and semaphores, POSIX and System V: calls that block for a message, for room
// and for a count, while another thread looks at their buffers.
//! link: threads
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#include "thread_guest.h"

int main() {
  char name[40];
  snprintf(name, sizeof(name), "/retake-blocked-%d", getpid());
  mq_attr attributes = {};
  attributes.mq_maxmsg = 1;
  attributes.mq_msgsize = 100;
  mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  CHECK(queue >= 0);
  CHECK(mq_unlink(name) == 0);
  Room data(100), priority(sizeof(unsigned));
  timespec deadline;
  CHECK(clock_gettime(CLOCK_REALTIME, &deadline) == 0);
  deadline.tv_sec += 100;
  Blocked(
      "mq_timedreceive", {{&data, &priority}, {}},
      [&] { return mq_timedreceive(queue, data.at(), 100, priority.as<unsigned>(), &deadline); },
      [&] { CHECK(mq_send(queue, "a message", 9, 5) == 0); });
  Say("[%.9s] of priority %u", data.at(), *priority.as<unsigned>());
  CHECK(mq_send(queue, "first", 5, 1) == 0);
  Room text(6);
  memcpy(text.at(), "second", 6);
  Blocked(
      "mq_send", {{}, {&text}}, [&] { return mq_send(queue, text.at(), 6, 2); },
      [&] { CHECK(mq_receive(queue, data.at(), 100, nullptr) == 5); });
  CHECK(mq_receive(queue, data.at(), 100, nullptr) == 6);
  Say("[%.6s]", data.at());

  int id = msgget(IPC_PRIVATE, 0600);
  CHECK(id >= 0);
  struct Message {
    long type;
    char text[60];
  };
  Room received(sizeof(Message));
  Blocked(
      "msgrcv", {{&received}, {}}, [&] { return msgrcv(id, received.at(), 60, 7, 0); },
      [&] {
        Message other = {6, "not this one"}, wanted = {7, "this one"};
        CHECK(msgsnd(id, &other, 13, 0) == 0);
        CHECK(msgsnd(id, &wanted, 9, 0) == 0);
      });
  Say("type %ld [%s]", received.as<Message>()->type, received.as<Message>()->text);
  msqid_ds state;
  CHECK(msgctl(id, IPC_STAT, &state) == 0);
  state.msg_qbytes = 20;
  CHECK(msgctl(id, IPC_SET, &state) == 0);
  Room sent(sizeof(Message));
  *sent.as<Message>() = {8, "waits for room"};
  Blocked(
      "msgsnd", {{}, {&sent}}, [&] { return msgsnd(id, sent.at(), 15, 0); },
      [&] { CHECK(msgrcv(id, received.at(), 60, 6, 0) == 13); });
  CHECK(msgrcv(id, received.at(), 60, 8, 0) == 15);
  Say("[%s]", received.as<Message>()->text);
  Blocked(
      "msgrcv of a removed queue", {{}, {}}, [&] { return msgrcv(id, received.at(), 60, 0, 0); },
      [&] { CHECK(msgctl(id, IPC_RMID, nullptr) == 0); });

  int semaphores = semget(IPC_PRIVATE, 2, 0600);
  CHECK(semaphores >= 0);
  Room operations(2 * sizeof(sembuf));
  operations.as<sembuf>()[0] = {0, -2, 0};
  operations.as<sembuf>()[1] = {1, 1, 0};
  timespec timeout = {10, 0};
  Blocked(
      "semtimedop", {{}, {&operations}},
      [&] { return semtimedop(semaphores, operations.as<sembuf>(), 2, &timeout); },
      [&] {
        sembuf up = {0, 3, 0};
        CHECK(semop(semaphores, &up, 1) == 0);
      });
  Say("counts %d %d", semctl(semaphores, 0, GETVAL), semctl(semaphores, 1, GETVAL));
  timeout = {0, 30'000'000};
  operations.as<sembuf>()[0] = {0, -9, 0};
  Blocked(
      "semtimedop that times out", {{}, {}},
      [&] { return semtimedop(semaphores, operations.as<sembuf>(), 1, &timeout); }, [] {});
  CHECK(semctl(semaphores, 0, IPC_RMID) == 0);
}
