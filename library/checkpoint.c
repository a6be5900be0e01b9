/* How a program has itself taken: it starts `retake checkpoint` as a process that isn't its
 * descendant, says where it waits (snapshot/asker.h), and waits. The command writes there how it
 * went; in a restored process `retake restore` has written before it goes on.
 *
 * Between fork and exec there are only calls that a signal handler may make: other threads may hold
 * any lock. The children have no exit signal, so that the program sees no SIGCHLD of theirs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "retake.h"

enum { kMostOptions = 32, kMostWords = 12 + kMostOptions, kImageBytes = 4096 };

/* What is written at `answer.state`, or -errno. The layout is snapshot/asker.h's. */
enum { kWaiting = 0, kWritten = 1, kRestored = 2 };

static struct {
  volatile int32_t state;
  char image[kImageBytes];
} answer;

static atomic_flag in_use = ATOMIC_FLAG_INIT;

/* fork(2), but that the child ends without a signal. */
static pid_t ForkSilently(void) { return (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L); }

/* The command itself: waits until it may be traced by, and is no descendant of, the program. */
static void RunCommand(char* const* words, int go, int said) {
  char byte;
  int code;
  sigset_t none;
  if (read(go, &byte, 1) != 0) _exit(127);
  /* What it has to say of itself is closed by exec; so is all else of the program's. */
  syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execvp(words[0], words);
  code = errno;
  (void)!write(said, &code, sizeof code);
  _exit(127);
}

/* Starts the command; its pid, or -1 with errno. */
static pid_t Start(char* const* words) {
  int go[2], said[2], code = 0;
  pid_t command = -1;
  ssize_t got;
  if (pipe2(go, O_CLOEXEC) != 0) return -1;
  if (pipe2(said, O_CLOEXEC) != 0) {
    code = errno;
    close(go[0]);
    close(go[1]);
    errno = code;
    return -1;
  }
  pid_t between = ForkSilently();
  if (between == 0) {
    close(go[1]);
    setsid();
    command = ForkSilently();
    if (command == 0) RunCommand(words, go[0], said[1]);
    if (command < 0) command = -errno;
    (void)!write(said[1], &command, sizeof command);
    _exit(0);
  }
  code = errno;
  close(go[0]);
  close(said[1]);
  if (between > 0) {
    while (waitpid(between, NULL, __WALL) < 0 && errno == EINTR) {
    }
    code = EIO;
    if (read(said[0], &command, sizeof command) == (ssize_t)sizeof command) {
      if (command < 0) code = -command;
    } else {
      command = -1;
    }
  }
  if (command > 0) {
    /* Where only ancestors may trace (Yama). */
    prctl(PR_SET_PTRACER, (unsigned long)command, 0, 0, 0);
  }
  close(go[1]);
  if (command > 0) {
    do got = read(said[0], &code, sizeof code);
    while (got < 0 && errno == EINTR);
    if (got > 0) command = -1; /* exec failed */
  }
  close(said[0]);
  if (command > 0) return command;
  errno = code;
  return -1;
}

/* Whether the command has ended; it may wait to be reaped by whoever adopted it, and has no memory
 * any more then. By no descriptor: that would be in the checkpoint. */
static int HasEnded(pid_t command) {
  char byte;
  struct iovec here = {&byte, 1}, there = {NULL, 1};
  (void)waitpid(command, NULL, __WALL | WNOHANG); /* if that is this program */
  if (kill(command, 0) != 0) return errno == ESRCH;
  return process_vm_readv(command, &here, 1, &there, 1, 0) < 0 && errno == ESRCH;
}

/* Waits until there is an answer, or nobody who could give one. */
static int32_t Await(pid_t command) {
  const struct timespec nap = {0, 1000000};
  for (int naps = 0; answer.state == kWaiting; ++naps) {
    nanosleep(&nap, NULL);
    if (naps % 100 == 99 && HasEnded(command) && answer.state == kWaiting) return -EIO;
  }
  return answer.state;
}

static int Ask(const char* path, const char* const* options) {
  const char* command = getenv("RETAKE_COMMAND");
  char pid[24], address[24];
  const char* words[kMostWords];
  int count = 0;
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  snprintf(address, sizeof address, "%llu", (unsigned long long)(uintptr_t)&answer);
  words[count++] = command != NULL && command[0] != '\0' ? command : "retake";
  words[count++] = "checkpoint";
  words[count++] = pid;
  words[count++] = "-o";
  words[count++] = path;
  words[count++] = "--asked-at";
  words[count++] = address;
  words[count++] = "-q";
  for (int i = 0; options != NULL && options[i] != NULL; ++i) {
    if (i == kMostOptions) {
      errno = E2BIG;
      return -1;
    }
    words[count++] = options[i];
  }
  words[count] = NULL;

  answer.state = kWaiting;
  answer.image[0] = '\0';
  /* No handler runs in the children. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t started = Start((char* const*)words);
  int code = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (started < 0) {
    errno = code;
    return -1;
  }
  int32_t state = Await(started);
  if (state == kRestored) {
    setenv("RETAKE_IMAGE", answer.image, 1);
    return RETAKE_RESTORED;
  }
  prctl(PR_SET_PTRACER, 0L, 0, 0, 0);
  (void)waitpid(started, NULL, __WALL | WNOHANG);
  if (state == kWritten) return RETAKE_WRITTEN;
  errno = -state;
  return -1;
}

int retake_checkpoint(const char* path, const char* const* options) {
  if (path == NULL || path[0] == '\0') {
    errno = EINVAL;
    return -1;
  }
  if (atomic_flag_test_and_set(&in_use)) {
    errno = EBUSY;
    return -1;
  }
  int outcome = Ask(path, options);
  int code = errno;
  atomic_flag_clear(&in_use);
  errno = code;
  return outcome;
}

const char* retake_image(void) { return answer.state == kRestored ? answer.image : NULL; }
