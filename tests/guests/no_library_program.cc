// R03: a program without any library: its first instruction is its own.
//! link: none
#include "guest_arch.h"

GUEST_ENTRY

static long Length(const char* text) {
  long size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

extern "C" [[noreturn]] void GuestMain(long* stack) {
  const char hello[] = "no library here\n";
  RawCall(SYS_write, 1, reinterpret_cast<long>(hello), sizeof(hello) - 1);
  const char* name = reinterpret_cast<const char*>(stack[1]);
  if (stack[0] == 1 && Length(name) > 0)
    RawCall(SYS_write, 1, reinterpret_cast<long>("named\n"), 6);
  long pid = RawCall(SYS_clone, 17 /* SIGCHLD */);
  if (pid == 0) RawCall(SYS_exit, 4);
  int status = 0;
  RawCall(SYS_wait4, pid, reinterpret_cast<long>(&status));
  RawCall(SYS_exit_group, status >> 8);
  for (;;) {
  }
}
