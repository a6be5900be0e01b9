// Flags and enumerations of socket calls. Values: include/linux/socket.h,
// include/uapi/asm-generic/socket.h, include/uapi/linux/{in,in6,tcp,netlink}.h.
#ifndef RETAKE_SYSCALLS_FLAGS_NETWORK_H_
#define RETAKE_SYSCALLS_FLAGS_NETWORK_H_

#include "syscalls/flag_sets.h"

namespace retake {

inline constexpr NamedValue kFamilyNames[] = {
    {0, "AF_UNSPEC"},     {1, "AF_UNIX"},      {2, "AF_INET"},   {3, "AF_AX25"},
    {4, "AF_IPX"},        {5, "AF_APPLETALK"}, {10, "AF_INET6"}, {15, "AF_KEY"},
    {16, "AF_NETLINK"},   {17, "AF_PACKET"},   {29, "AF_CAN"},   {30, "AF_TIPC"},
    {31, "AF_BLUETOOTH"}, {38, "AF_ALG"},      {40, "AF_VSOCK"}, {44, "AF_XDP"},
    {45, "AF_MCTP"}};
inline constexpr NamedValue kSocketTypeNames[] = {
    {1, "SOCK_STREAM", 0xf},  {2, "SOCK_DGRAM", 0xf},     {3, "SOCK_RAW", 0xf},
    {4, "SOCK_RDM", 0xf},     {5, "SOCK_SEQPACKET", 0xf}, {6, "SOCK_DCCP", 0xf},
    {10, "SOCK_PACKET", 0xf}, {02000000, "SOCK_CLOEXEC"}, {04000, "SOCK_NONBLOCK"}};
inline constexpr NamedValue kAccept4Names[] = {{02000000, "SOCK_CLOEXEC"},
                                               {04000, "SOCK_NONBLOCK"}};
inline constexpr NamedValue kIpProtocolNames[] = {
    {0, "IPPROTO_IP"},    {1, "IPPROTO_ICMP"},    {2, "IPPROTO_IGMP"},   {6, "IPPROTO_TCP"},
    {17, "IPPROTO_UDP"},  {33, "IPPROTO_DCCP"},   {41, "IPPROTO_IPV6"},  {47, "IPPROTO_GRE"},
    {50, "IPPROTO_ESP"},  {58, "IPPROTO_ICMPV6"}, {132, "IPPROTO_SCTP"}, {136, "IPPROTO_UDPLITE"},
    {255, "IPPROTO_RAW"}, {262, "IPPROTO_MPTCP"}};
inline constexpr NamedValue kNetlinkNames[] = {
    {0, "NETLINK_ROUTE"},      {4, "NETLINK_SOCK_DIAG"},       {6, "NETLINK_XFRM"},
    {7, "NETLINK_SELINUX"},    {9, "NETLINK_AUDIT"},           {11, "NETLINK_CONNECTOR"},
    {12, "NETLINK_NETFILTER"}, {15, "NETLINK_KOBJECT_UEVENT"}, {16, "NETLINK_GENERIC"},
    {20, "NETLINK_RDMA"},      {21, "NETLINK_CRYPTO"}};
inline constexpr NamedValue kLevelNames[] = {
    {0, "SOL_IP"},       {1, "SOL_SOCKET"},    {6, "SOL_TCP"},    {17, "SOL_UDP"},
    {41, "SOL_IPV6"},    {58, "SOL_ICMPV6"},   {132, "SOL_SCTP"}, {255, "SOL_RAW"},
    {263, "SOL_PACKET"}, {270, "SOL_NETLINK"}, {279, "SOL_ALG"},  {282, "SOL_TLS"},
    {284, "SOL_MPTCP"}};
inline constexpr NamedValue kMsgNames[] = {{0x1, "MSG_OOB"},
                                           {0x2, "MSG_PEEK"},
                                           {0x4, "MSG_DONTROUTE"},
                                           {0x8, "MSG_CTRUNC"},
                                           {0x10, "MSG_PROBE"},
                                           {0x20, "MSG_TRUNC"},
                                           {0x40, "MSG_DONTWAIT"},
                                           {0x80, "MSG_EOR"},
                                           {0x100, "MSG_WAITALL"},
                                           {0x200, "MSG_FIN"},
                                           {0x400, "MSG_SYN"},
                                           {0x800, "MSG_CONFIRM"},
                                           {0x1000, "MSG_RST"},
                                           {0x2000, "MSG_ERRQUEUE"},
                                           {0x4000, "MSG_NOSIGNAL"},
                                           {0x8000, "MSG_MORE"},
                                           {0x10000, "MSG_WAITFORONE"},
                                           {0x40000, "MSG_BATCH"},
                                           {0x4000000, "MSG_ZEROCOPY"},
                                           {0x20000000, "MSG_FASTOPEN"},
                                           {0x40000000, "MSG_CMSG_CLOEXEC"}};
inline constexpr NamedValue kShutdownNames[] = {{0, "SHUT_RD"}, {1, "SHUT_WR"}, {2, "SHUT_RDWR"}};
inline constexpr NamedValue kSocketOptionNames[] = {
    {1, "SO_DEBUG"},          {2, "SO_REUSEADDR"},        {3, "SO_TYPE"},
    {4, "SO_ERROR"},          {5, "SO_DONTROUTE"},        {6, "SO_BROADCAST"},
    {7, "SO_SNDBUF"},         {8, "SO_RCVBUF"},           {9, "SO_KEEPALIVE"},
    {10, "SO_OOBINLINE"},     {12, "SO_PRIORITY"},        {13, "SO_LINGER"},
    {15, "SO_REUSEPORT"},     {16, "SO_PASSCRED"},        {17, "SO_PEERCRED"},
    {18, "SO_RCVLOWAT"},      {19, "SO_SNDLOWAT"},        {20, "SO_RCVTIMEO_OLD"},
    {21, "SO_SNDTIMEO_OLD"},  {25, "SO_BINDTODEVICE"},    {26, "SO_ATTACH_FILTER"},
    {27, "SO_DETACH_FILTER"}, {29, "SO_TIMESTAMP_OLD"},   {30, "SO_ACCEPTCONN"},
    {31, "SO_PEERSEC"},       {32, "SO_SNDBUFFORCE"},     {33, "SO_RCVBUFFORCE"},
    {34, "SO_PASSSEC"},       {35, "SO_TIMESTAMPNS_OLD"}, {36, "SO_MARK"},
    {38, "SO_PROTOCOL"},      {39, "SO_DOMAIN"},          {46, "SO_BUSY_POLL"},
    {49, "SO_INCOMING_CPU"},  {56, "SO_COOKIE"},          {59, "SO_PEERGROUPS"},
    {60, "SO_ZEROCOPY"},      {62, "SO_BINDTOIFINDEX"},   {66, "SO_RCVTIMEO_NEW"},
    {67, "SO_SNDTIMEO_NEW"},  {77, "SO_PEERPIDFD"}};
inline constexpr NamedValue kTcpOptionNames[] = {{1, "TCP_NODELAY"},
                                                 {2, "TCP_MAXSEG"},
                                                 {3, "TCP_CORK"},
                                                 {4, "TCP_KEEPIDLE"},
                                                 {5, "TCP_KEEPINTVL"},
                                                 {6, "TCP_KEEPCNT"},
                                                 {7, "TCP_SYNCNT"},
                                                 {8, "TCP_LINGER2"},
                                                 {9, "TCP_DEFER_ACCEPT"},
                                                 {10, "TCP_WINDOW_CLAMP"},
                                                 {11, "TCP_INFO"},
                                                 {12, "TCP_QUICKACK"},
                                                 {13, "TCP_CONGESTION"},
                                                 {18, "TCP_USER_TIMEOUT"},
                                                 {23, "TCP_FASTOPEN"},
                                                 {25, "TCP_NOTSENT_LOWAT"},
                                                 {30, "TCP_FASTOPEN_CONNECT"},
                                                 {31, "TCP_ULP"}};
inline constexpr NamedValue kIpOptionNames[] = {{1, "IP_TOS"},
                                                {2, "IP_TTL"},
                                                {3, "IP_HDRINCL"},
                                                {4, "IP_OPTIONS"},
                                                {8, "IP_PKTINFO"},
                                                {10, "IP_MTU_DISCOVER"},
                                                {11, "IP_RECVERR"},
                                                {12, "IP_RECVTTL"},
                                                {14, "IP_MTU"},
                                                {15, "IP_FREEBIND"},
                                                {24, "IP_BIND_ADDRESS_NO_PORT"},
                                                {32, "IP_MULTICAST_IF"},
                                                {33, "IP_MULTICAST_TTL"},
                                                {34, "IP_MULTICAST_LOOP"},
                                                {35, "IP_ADD_MEMBERSHIP"},
                                                {36, "IP_DROP_MEMBERSHIP"}};
inline constexpr NamedValue kIpv6OptionNames[] = {
    {16, "IPV6_UNICAST_HOPS"},   {17, "IPV6_MULTICAST_IF"},
    {18, "IPV6_MULTICAST_HOPS"}, {19, "IPV6_MULTICAST_LOOP"},
    {20, "IPV6_ADD_MEMBERSHIP"}, {21, "IPV6_DROP_MEMBERSHIP"},
    {23, "IPV6_MTU_DISCOVER"},   {24, "IPV6_MTU"},
    {25, "IPV6_RECVERR"},        {26, "IPV6_V6ONLY"},
    {49, "IPV6_RECVPKTINFO"},    {51, "IPV6_RECVHOPLIMIT"},
    {67, "IPV6_TCLASS"}};
inline constexpr NamedValue kCmsgNames[] = {
    {1, "SCM_RIGHTS"}, {2, "SCM_CREDENTIALS"}, {3, "SCM_SECURITY"}, {4, "SCM_PIDFD"}};

inline constexpr FlagSet kNetworkSets[] = {
    {Set::kSocketFamily, kFamilyNames, "AF_???"},
    {Set::kSocketType, kSocketTypeNames, "SOCK_???"},
    {Set::kAccept4, kAccept4Names, "SOCK_???"},
    {Set::kIpProtocol, kIpProtocolNames, "IPPROTO_???"},
    {Set::kNetlinkProtocol, kNetlinkNames, "NETLINK_???"},
    {Set::kSocketLevel, kLevelNames, "SOL_???"},
    {Set::kMsgFlags, kMsgNames, "MSG_???"},
    {Set::kShutdown, kShutdownNames, "SHUT_???"},
    {Set::kSocketOption, kSocketOptionNames, "SO_???"},
    {Set::kTcpOption, kTcpOptionNames, "TCP_???"},
    {Set::kIpOption, kIpOptionNames, "IP_???"},
    {Set::kIpv6Option, kIpv6OptionNames, "IPV6_???"},
    {Set::kCmsgType, kCmsgNames, "SCM_???"},
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_FLAGS_NETWORK_H_
