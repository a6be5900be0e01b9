// R05: process_vm_readv of a process's own other threads' stacks and of a child, and
// process_vm_writev into its own memory and the child's, while threads make calls.
//! link: threads
#include <sys/prctl.h>
#include <sys/uio.h>

#include "thread_guest.h"

int main() {
  std::atomic<char*> on_stack{nullptr};
  std::atomic<uint32_t> word{0};
  char changed = 0;
  Thread other([&] {
    char local[64];
    strcpy(local, "on the other stack");
    on_stack = local;
    while (word == 0) Futex(&word, FUTEX_WAIT_PRIVATE, 0);
    changed = local[0];
  });
  other.AwaitSleep();
  char text[64] = {};
  iovec mine = {text, 64}, theirs = {on_stack.load(), 64};
  CHECK(process_vm_readv(getpid(), &mine, 1, &theirs, 1, 0) == 64);
  Say("read: %s", text);
  text[0] = 'O';
  theirs.iov_len = mine.iov_len = 1;
  CHECK(process_vm_writev(getpid(), &mine, 1, &theirs, 1, 0) == 1);
  word = 1;
  Futex(&word, FUTEX_WAKE_PRIVATE, 1);
  other.Join();
  Say("changed: %c", changed);
  // Of a child, whose page is unlike ours.
  static char page[100] = "the parent's";
  int ready[2], go[2];
  CHECK(pipe(ready) == 0 && pipe(go) == 0);
  pid_t child = Child([&] {
    strcpy(page, "the child's");
    char byte;
    CHECK(write(ready[1], "r", 1) == 1);
    CHECK(read(go[0], &byte, 1) == 1);
  });
  char byte;
  CHECK(read(ready[0], &byte, 1) == 1);
  Room room(12);
  iovec to = {room.at(), 12}, from = {page, 12};
  Say("from the child: %zd", process_vm_readv(child, &to, 1, &from, 1, 0));
  room.CheckCanaries();
  Say("[%s], and here [%s]", room.at(), page);
  Say("of nobody: %zd", process_vm_readv(child, &to, 1, nullptr, 1, 0));
  iovec hole[2] = {{page, 12}, {BadPointer(), 12}};
  Room two(24);
  iovec both = {two.at(), 24};
  ssize_t part = process_vm_readv(child, &both, 1, hole, 2, 0);
  Say("part %zd: [%.12s], then %x", part, two.at(), static_cast<unsigned char>(two.at()[12]));
  CHECK(write(go[1], "g", 1) == 1);
  CHECK(WaitFor(child) == 0);
}
