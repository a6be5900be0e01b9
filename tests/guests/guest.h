// What every guest shares: saying things on stdout, failing loudly, children.
//
// A guest is a tiny program named after the behaviour it shows. It runs natively, recorded and
// replayed, so its output must say everything that matters. Lines made by Vary() begin with "~ ":
// they hold values that differ from run to run (pids, times, random bytes), so that the harness
// leaves them out when it compares the native run with the recorded one, and keeps them when it
// compares the recording with its replay. Output is written unbuffered, with one write per line:
// nothing is left in a buffer that a fork would copy or a death would lose.
#ifndef RETAKE_TESTS_GUESTS_GUEST_H_
#define RETAKE_TESTS_GUESTS_GUEST_H_

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

// Ends the guest with status 99 and the place unless `condition` holds.
#define CHECK(condition)                                           \
  do {                                                             \
    if (!(condition)) GuestFailed(__FILE__, __LINE__, #condition); \
  } while (0)

[[noreturn]] inline void GuestFailed(const char* file, int line, const char* what) {
  int saved = errno;
  dprintf(2, "%s:%d: not so: %s (errno %d, %s)\n", file, line, what, saved, strerror(saved));
  _exit(99);
}

__attribute__((format(printf, 1, 2))) inline void Say(const char* format, ...) {
  char line[4096];
  va_list args;
  va_start(args, format);
  int size = vsnprintf(line, sizeof(line) - 1, format, args);
  va_end(args);
  if (size > static_cast<int>(sizeof(line)) - 2) size = sizeof(line) - 2;
  line[size++] = '\n';
  CHECK(write(1, line, size) == size);
}

__attribute__((format(printf, 1, 2))) inline void Vary(const char* format, ...) {
  char line[4096];
  va_list args;
  va_start(args, format);
  int size = vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  Say("~ %.*s", size, line);
}

// How many times as long as usual this machine takes, if it is emulated (as in
// tests/behaviour/engine.py).
inline int Slowness() {
  const char* slowness = getenv("RETAKE_TEST_SLOWNESS");
  return slowness != nullptr ? std::max(atoi(slowness), 1) : 1;
}

// How many times to do what such a machine does slowly: `times` where it isn't slow.
inline int Times(int times, int at_least = 1) {
  return Slowness() > 1 ? std::max(times / Slowness(), at_least) : times;
}

// Does it 64 times, with no loop. A replay that looks for a state in a loop looks at each of its
// rounds, and an emulated machine takes a hundred times as long for the looking as for a round of a
// few instructions.
#define TIMES_4(what) what what what what
#define TIMES_64(what) TIMES_4(TIMES_4(TIMES_4(what)))

// "exit 3", "signal 9", "stopped 19", "continued": what a wait status says.
inline std::string StatusText(int status) {
  char text[32];
  if (WIFEXITED(status)) {
    snprintf(text, sizeof(text), "exit %d", WEXITSTATUS(status));
  } else if (WIFSIGNALED(status)) {
    snprintf(text, sizeof(text), "signal %d", WTERMSIG(status));
  } else if (WIFSTOPPED(status)) {
    snprintf(text, sizeof(text), "stopped %d", WSTOPSIG(status));
  } else {
    snprintf(text, sizeof(text), "continued");
  }
  return text;
}

// Waits for one child, through interruptions.
inline int WaitFor(pid_t pid) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(pid, &status, 0);
  } while (got < 0 && errno == EINTR);
  CHECK(got == pid);
  return status;
}

// Runs `body` in a forked child, which then exits 0.
template <typename Body>
pid_t Child(Body body) {
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    body();
    _exit(0);
  }
  return pid;
}

// A child whose end is waited for and must be exit 0.
template <typename Body>
void InChild(Body body) {
  CHECK(WaitFor(Child(body)) == 0);
}

// Waits until another process sleeps in a call, as /proc says (or has ended): so that what is sent
// to it finds it there, however busy the machine.
inline void AwaitSleep(pid_t pid) {
  char path[40];
  snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  for (int seen = 0; seen < 3;) {
    char text[512] = {};
    int fd = open(path, O_RDONLY);
    if (fd < 0) return;
    ssize_t got = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (got <= 0) return;
    const char* state = strrchr(text, ')');
    seen = state != nullptr && state[2] == 'S' ? seen + 1 : 0;
    usleep(2000);
  }
}

// Sets a handler; no SA_RESTART unless asked for.
inline void Handle(int signal, void (*handler)(int), int flags = 0) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  CHECK(sigaction(signal, &action, nullptr) == 0);
}

// FNV-1a over bytes: a line of output that stands for a whole buffer.
inline uint64_t Digest(const void* bytes, size_t size, uint64_t seed = 14695981039346656037u) {
  const auto* p = static_cast<const unsigned char*>(bytes);
  for (size_t i = 0; i < size; ++i) seed = (seed ^ p[i]) * 1099511628211u;
  return seed;
}

// Makes a file with these contents.
inline void WriteFile(const char* path, const std::string& contents) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  CHECK(fd >= 0);
  CHECK(write(fd, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()));
  close(fd);
}

// All that can be read from a descriptor.
inline std::string ReadAll(int fd) {
  std::string all;
  char buffer[65536];
  for (;;) {
    ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    CHECK(got >= 0);
    if (got == 0) return all;
    all.append(buffer, got);
  }
}

inline std::string ReadFile(const char* path) {
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  std::string all = ReadAll(fd);
  close(fd);
  return all;
}

// Bytes that look like data, the same each time.
inline std::string Pattern(size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    seed = seed * 1664525u + 1013904223u;
    c = static_cast<char>(seed >> 24);
  }
  return bytes;
}

// An address where nothing is, that the compiler doesn't recognise as such.
inline void* BadPointer() {
  static volatile uintptr_t address = 8;
  return reinterpret_cast<void*>(address);
}

#endif  // RETAKE_TESTS_GUESTS_GUEST_H_
