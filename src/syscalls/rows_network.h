// Rows of socket calls.
#ifndef RETAKE_SYSCALLS_ROWS_NETWORK_H_
#define RETAKE_SYSCALLS_ROWS_NETWORK_H_

#include "syscalls/row.h"

namespace retake {

// sizeof(struct sockaddr_storage): the kernel never writes more of an address.
inline constexpr uint32_t kMaxSockaddr = 128;
// No option the kernel has writes more.
inline constexpr uint32_t kMaxSocketValue = 64 * 1024;

inline constexpr Row kNetworkRows[] = {
    MakeRow(Sys::socket, Enum("domain", Set::kSocketFamily), Plain("type", Type::kSocketType),
            Plain("protocol", Type::kSocketProtocol))
        .Opens(),
    MakeRow(Sys::socketpair, Enum("domain", Set::kSocketFamily), Plain("type", Type::kSocketType),
            Plain("protocol", Type::kSocketProtocol), Out("sv", Type::kFdPair)),
    MakeRow(Sys::bind, FdArg("sockfd"), In("addr", Type::kSockaddr, ByArg(2)), Int("addrlen")),
    MakeRow(Sys::listen, FdArg("sockfd"), Int("backlog")),
    MakeRow(Sys::connect, FdArg("sockfd"), In("addr", Type::kSockaddr, ByArg(2)), Int("addrlen"))
        .Blocks(),
    MakeRow(Sys::accept, FdArg("sockfd"), Out("addr", Type::kSockaddr, LengthAt(2, kMaxSockaddr)),
            InOut("addrlen", Type::kSockLength))
        .Blocks()
        .Opens(),
    MakeRow(Sys::accept4, FdArg("sockfd"), Out("addr", Type::kSockaddr, LengthAt(2, kMaxSockaddr)),
            InOut("addrlen", Type::kSockLength), Flags("flags", Set::kAccept4))
        .Blocks()
        .Opens(),
    MakeRow(Sys::getsockname, FdArg("sockfd"),
            Out("addr", Type::kSockaddr, LengthAt(2, kMaxSockaddr)),
            InOut("addrlen", Type::kSockLength)),
    MakeRow(Sys::getpeername, FdArg("sockfd"),
            Out("addr", Type::kSockaddr, LengthAt(2, kMaxSockaddr)),
            InOut("addrlen", Type::kSockLength)),
    MakeRow(Sys::shutdown, FdArg("sockfd"), Enum("how", Set::kShutdown)),
    MakeRow(Sys::sendto, FdArg("sockfd"), In("buf", Type::kBuffer, ByArg(2)), Ulong("len"),
            Flags("flags", Set::kMsgFlags), In("dest_addr", Type::kSockaddr, ByArg(5)),
            Int("addrlen"))
        .Blocks()
        .Writes(WriteSource::kBuffer, 0),
    MakeRow(Sys::sendmsg, FdArg("sockfd"), In("msg", Type::kMsghdr), Flags("flags", Set::kMsgFlags))
        .Blocks()
        .Writes(WriteSource::kMessage, 0),
    MakeRow(Sys::sendmmsg, FdArg("sockfd"), InOut("msgvec", Type::kMmsghdr, ByResult(2, 64)),
            Uint("vlen"), Flags("flags", Set::kMsgFlags))
        .Blocks()
        .Writes(WriteSource::kOther, 0),
    MakeRow(Sys::recvfrom, FdArg("sockfd"), Out("buf", Type::kBuffer, ByResult(2)), Ulong("len"),
            Flags("flags", Set::kMsgFlags),
            Out("src_addr", Type::kSockaddr, LengthAt(5, kMaxSockaddr)),
            InOut("addrlen", Type::kSockLength))
        .Blocks(),
    MakeRow(Sys::recvmsg, FdArg("sockfd"), InOut("msg", Type::kMsghdr, {.kind = Sized::kReceived}),
            Flags("flags", Set::kMsgFlags))
        .Blocks(),
    MakeRow(Sys::recvmmsg, FdArg("sockfd"),
            InOut("msgvec", Type::kMmsghdr, {.kind = Sized::kReceivedMany, .arg = 2}), Uint("vlen"),
            Flags("flags", Set::kMsgFlags), InOut("timeout", Type::kTimespec).Interrupted())
        .Blocks(),
    MakeRow(Sys::getsockopt, FdArg("sockfd"), Enum("level", Set::kSocketLevel),
            Plain("optname", Type::kSocketOption),
            Out("optval", Type::kSocketValue, LengthAt(4, kMaxSocketValue)),
            InOut("optlen", Type::kSockLength)),
    MakeRow(Sys::setsockopt, FdArg("sockfd"), Enum("level", Set::kSocketLevel),
            Plain("optname", Type::kSocketOption), In("optval", Type::kSocketValue, ByArg(4)),
            Int("optlen")),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_NETWORK_H_
