// R04: unix sockets by name and by abstract name, with accept in one process and connect in
// another; descriptors and credentials passed (SCM_RIGHTS, SCM_CREDENTIALS).
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "guest.h"

static void SendDescriptor(int socket, int fd) {
  char byte = 'd';
  iovec piece = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(int));
  CHECK(sendmsg(socket, &message, 0) == 1);
}

static int ReceiveDescriptor(int socket) {
  char byte;
  iovec piece = {&byte, 1};
  alignas(cmsghdr) char control[256] = {};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  CHECK(recvmsg(socket, &message, 0) == 1);
  int fd = -1;
  for (cmsghdr* h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h)) {
    if (h->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(h), sizeof(int));
    if (h->cmsg_type == SCM_CREDENTIALS) {
      ucred who;
      memcpy(&who, CMSG_DATA(h), sizeof(who));
      Say("credentials of the parent: %d", who.pid == getppid());
    }
  }
  return fd;
}

int main() {
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, "socket");
  CHECK(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  CHECK(listen(listener, 5) == 0);
  pid_t pid = Child([&] {
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    int on = 1;
    CHECK(setsockopt(client, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
    CHECK(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    int fd = ReceiveDescriptor(client);
    Say("client reads through it [%s]", ReadAll(fd).c_str());
    CHECK(write(client, "thanks", 6) == 6);
  });
  sockaddr_un peer = {};
  socklen_t size = sizeof(peer);
  int server = accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
  CHECK(server >= 0);
  Say("peer's address has %u bytes", size);
  WriteFile("secret", "contents of a passed file");
  int fd = open("secret", O_RDONLY);
  SendDescriptor(server, fd);
  Say("[%s]", ReadAll(server).c_str());
  CHECK(WaitFor(pid) == 0);
  size = sizeof(peer);
  CHECK(getsockname(server, reinterpret_cast<sockaddr*>(&peer), &size) == 0);
  Say("name [%s]", peer.sun_path);
}
