// R04: posix_spawn with file actions, attributes and a program that isn't there; popen and system.
#include <spawn.h>

#include "guest.h"

int main() {
  posix_spawn_file_actions_t actions;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  CHECK(posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT, 0644) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, 1, 2) == 0);
  posix_spawnattr_t attributes;
  CHECK(posix_spawnattr_init(&attributes) == 0);
  CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF) == 0);
  pid_t pid;
  const char* const args[] = {"sh", "-c", "echo spawned; echo error >&2; exit 4", nullptr};
  CHECK(posix_spawnp(&pid, "sh", &actions, &attributes, const_cast<char**>(args), environ) == 0);
  Say("%s", StatusText(WaitFor(pid)).c_str());
  Say("[%s]", ReadFile("out").c_str());
  Say("absent: %d",
      posix_spawn(&pid, "/absent", nullptr, nullptr, const_cast<char**>(args), environ));
  FILE* pipe = popen("echo from popen; exit 3", "r");
  char line[100] = {};
  CHECK(fgets(line, sizeof(line), pipe) != nullptr);
  Say("popen [%.10s] %s", line, StatusText(pclose(pipe)).c_str());
  Say("system %s", StatusText(system("exit 6")).c_str());
}
