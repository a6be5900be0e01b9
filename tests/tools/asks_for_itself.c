/* A program that asks for its own checkpoint, and says what came of it: asks_for_itself FILE
 * [OPTION...]. It has a thread and a child; with NETLINK in its environment, something that can't
 * be kept. Exits 4 where it was written, 5 where it has been restored, 3 where it failed. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "retake.h"

static volatile sig_atomic_t children_ended;
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static void OnChild(int number) {
  (void)number;
  ++children_ended;
}

static void* Wait(void* nothing) {
  pthread_mutex_lock(&held);
  return nothing;
}

int main(int argc, char** argv) {
  pthread_t thread;
  int ends[2];
  char byte = 0;
  if (argc < 2 || pipe(ends) != 0) return 2;
  signal(SIGCHLD, OnChild);
  pthread_mutex_lock(&held);
  if (pthread_create(&thread, NULL, Wait, NULL) != 0) return 2;
  pid_t child = fork();
  if (child == 0) {
    close(ends[1]);
    _exit(read(ends[0], &byte, 1) == 1 ? byte : 1);
  }
  if (getenv("NETLINK") != NULL && socket(AF_NETLINK, SOCK_RAW, 0) < 0) return 2;
  printf("asks\n");
  fflush(stdout);

  int outcome = retake_checkpoint(argv[1], (const char* const*)argv + 2);
  if (outcome < 0) {
    printf("failed: %s\n", strerrorname_np(errno));
  } else {
    const char* image = retake_image();
    const char* told = getenv("RETAKE_IMAGE");
    printf("%s: %s, %s\n", outcome == RETAKE_RESTORED ? "restored" : "written",
           image != NULL ? image : "none", told != NULL ? told : "none");
  }
  printf("children ended meanwhile: %d\n", (int)children_ended);
  int status = 0;
  byte = 7;
  if (write(ends[1], &byte, 1) != 1 || waitpid(-1, &status, 0) < 0) return 2;
  pthread_mutex_unlock(&held);
  pthread_join(thread, NULL);
  printf("its child exited with %d\n", WEXITSTATUS(status));
  return outcome < 0 ? 3 : outcome == RETAKE_RESTORED ? 5 : 4;
}
