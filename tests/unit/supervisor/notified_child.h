// NotifiedChild: a child process under a filter, whose notification listener the test holds. The
// harness of the notify tier's tests: no tracer, no exec.
#ifndef RETAKE_TESTS_UNIT_SUPERVISOR_NOTIFIED_CHILD_H_
#define RETAKE_TESTS_UNIT_SUPERVISOR_NOTIFIED_CHILD_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <initializer_list>

#include "supervisor/filter.h"

namespace retake {

inline bool SendDescriptor(int socket, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, 0) == 1;
}

inline Fd ReceiveDescriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return {};
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return Fd(fd);
}

class NotifiedChild {
 public:
  // Forks a child that sends `notified` to the listener, lets all other calls through, waits until
  // Go(), and exits with what `body` returns: 0 is success.
  NotifiedChild(std::initializer_list<Sys> notified, std::function<int()> body,
                uint32_t flags = PreferredFilterFlags()) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return;
    Fd theirs(sockets[1]);
    socket_ = Fd(sockets[0]);
    pid_ = fork();
    if (pid_ == 0) {
      alarm(30);  // whatever goes wrong, no child outlives its test by much
      socket_.Reset();
      FilterOptions options = UniformFilter(Disposition::kAllow);
      for (Sys sys : notified) options[sys] = Disposition::kNotify;
      auto program = BuildFilter(HostArch(), options);
      if (!program.ok()) _exit(101);
      auto listener = InstallFilter(*program, flags, true);
      if (!listener.ok() || !SendDescriptor(theirs.get(), listener->get())) _exit(102);
      listener->Reset();
      char go = 0;
      if (read(theirs.get(), &go, 1) != 1) _exit(103);
      _exit(body());
    }
    theirs.Reset();
    listener_ = ReceiveDescriptor(socket_.get());
  }
  ~NotifiedChild() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  pid_t pid() const { return pid_; }
  Fd TakeListener() { return std::move(listener_); }
  void Go() { EXPECT_EQ(write(socket_.get(), "", 1), 1); }
  void Kill() { kill(pid_, SIGKILL); }
  // The wait status.
  int Wait() {
    int status = -1;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  Fd socket_;
  Fd listener_;
};

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_SUPERVISOR_NOTIFIED_CHILD_H_
