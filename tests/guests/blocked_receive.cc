// R05: receives that block while another thread looks at their buffers: recv, recvfrom with an
// address, recvmsg with an address and a control message, recvmmsg.
//! link: threads
#include <sys/socket.h>
#include <sys/un.h>

#include "thread_guest.h"

static int Bound(const char* path) {
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path);
  CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  return fd;
}

static void SendFd(int fd, int passed) {
  iovec piece = {const_cast<char*>("with a descriptor"), 17};
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
  memcpy(CMSG_DATA(header), &passed, sizeof(int));
  CHECK(sendmsg(fd, &message, 0) == 17);
}

int main() {
  int to = Bound("to"), from = Bound("from");
  sockaddr_un target = {};
  target.sun_family = AF_UNIX;
  strcpy(target.sun_path, "to");
  CHECK(connect(from, reinterpret_cast<sockaddr*>(&target), sizeof(target)) == 0);
  auto send_text = [&](const char* text) {
    CHECK(send(from, text, strlen(text), 0) == static_cast<ssize_t>(strlen(text)));
  };

  Room data(30), name(sizeof(sockaddr_un)), length(sizeof(socklen_t));
  Blocked(
      "recv", {{&data}, {}}, [&] { return recv(to, data.at(), 30, 0); },
      [&] { send_text("hello"); });
  *length.as<socklen_t>() = sizeof(sockaddr_un);
  data.Reset();
  Blocked(
      "recvfrom", {{&data, &name}, {&length}},
      [&] { return recvfrom(to, data.at(), 30, 0, name.as<sockaddr>(), length.as<socklen_t>()); },
      [&] { send_text("from somebody"); });
  Say("address of %u bytes: %s", *length.as<socklen_t>(), name.as<sockaddr_un>()->sun_path);
  // Room for part of the address and part of the text.
  Room short_name(4), short_data(3);
  length.Reset();
  *length.as<socklen_t>() = 4;
  Blocked(
      "recvfrom, cut", {{&short_data, &short_name}, {&length}},
      [&] {
        return recvfrom(to, short_data.at(), 3, MSG_TRUNC, short_name.as<sockaddr>(),
                        length.as<socklen_t>());
      },
      [&] { send_text("longer than the room"); });
  Say("the address has %u bytes", *length.as<socklen_t>());

  Room head(10), tail(200), control(CMSG_SPACE(sizeof(int) * 4)), message(sizeof(msghdr));
  iovec pieces[2] = {{head.at(), 10}, {tail.at(), 200}};
  auto* header = message.as<msghdr>();
  *header = {};
  header->msg_iov = pieces;
  header->msg_iovlen = 2;
  header->msg_control = control.at();
  header->msg_controllen = control.size();
  name.Reset();
  header->msg_name = name.at();
  header->msg_namelen = name.size();
  Blocked(
      "recvmsg", {{&head, &tail, &control, &name}, {&message}, true},
      [&] { return recvmsg(to, header, MSG_CMSG_CLOEXEC); }, [&] { SendFd(from, 1); });
  int passed = -1;
  memcpy(&passed, CMSG_DATA(control.as<cmsghdr>()), sizeof(int));
  Say("header: name %u, control %zu, flags %#x, own pointers %d; [%.10s][%.7s]",
      header->msg_namelen, header->msg_controllen, header->msg_flags,
      header->msg_iov == pieces && header->msg_control == control.at() &&
          header->msg_name == name.at(),
      head.at(), tail.at());
  CHECK(write(passed, "through the descriptor\n", 23) == 23);

  Room many(3 * sizeof(mmsghdr)), parts(3 * 8), names(3 * sizeof(sockaddr_un));
  iovec each[3];
  auto* headers = many.as<mmsghdr>();
  memset(headers, 0, many.size());
  for (int i = 0; i < 3; ++i) {
    each[i] = {parts.at() + i * 8, 8};
    headers[i].msg_hdr.msg_iov = &each[i];
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_name = names.at() + i * sizeof(sockaddr_un);
    headers[i].msg_hdr.msg_namelen = sizeof(sockaddr_un);
  }
  timespec timeout = {10, 0};
  Blocked(
      "recvmmsg", {{&parts, &names}, {&many}, true},
      [&] { return recvmmsg(to, headers, 3, MSG_WAITFORONE, &timeout); },
      [&] { send_text("0123456789"); });
  Say("first of %u bytes, flags %#x, [%.8s]", headers[0].msg_len, headers[0].msg_hdr.msg_flags,
      parts.at());
  bool untouched = true;
  for (size_t i = 8; i < parts.size(); ++i) untouched &= parts.at()[i] == '\xa5';
  Say("the others untouched: %d, %u", untouched, headers[1].msg_len);
}
