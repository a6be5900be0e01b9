"""Sockets: what is in them, who is at their other end, and how they are set."""

OPTION = """
s = socket.socket({family}, {type}); s.setsockopt({level}, {option}, {value})
"""


def option(name, level, number, value, family="socket.AF_INET", type="socket.SOCK_STREAM", size=None):
    """One option of a fresh socket."""
    shown = f"s.getsockopt({level}, {number})" if size is None else f"s.getsockopt({level}, {number}, {size})"
    return name, OPTION.format(family=family, type=type, level=level, option=number, value=value), shown


PAIR = "a, b = socket.socketpair()\n"
LISTEN = "l = socket.create_server(('127.0.0.1', 0))\n"
TCP = LISTEN + "c = socket.create_connection(l.getsockname()); d, _ = l.accept()\n"
UDP = "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))\n"

PIECES = [
    ("a pair of Unix sockets", PAIR, "[a.send(b'ab'), b.recv(9)]"),
    ("what waits in a Unix socket", PAIR + "a.send(b'abcd'); expected = b'abcd'", "once(b.recv(9))"),
    ("messages that wait in a Unix socket", "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\na.send(b'ab'); a.send(b'cd'); expected = (b'ab', b'cd')", "once((b.recv(9), b.recv(9)))"),
    ("datagrams that wait in a Unix socket", "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\na.send(b'ab'); a.send(b''); expected = (b'ab', b'')", "once((b.recv(9), b.recv(9)))"),
    ("descriptors that wait in a Unix socket", PAIR + "socket.send_fds(a, [b'x'], [os.open(file(), os.O_RDONLY)]); expected = b'abcd'", "once(os.pread(socket.recv_fds(b, 9, 1)[1][0], 4, 0))"),
    ("a Unix socket shut down for writing", PAIR + "a.shutdown(socket.SHUT_WR)", "b.recv(9), errno_of(a.send, b'x')"),
    ("a Unix socket shut down for reading", PAIR + "a.shutdown(socket.SHUT_RD)", "a.recv(9), errno_of(b.send, b'x')"),
    ("a Unix socket whose other end is closed", PAIR + "b.close()", "a.recv(9), errno_of(a.send, b'x')"),
    ("who is at the other end of a Unix socket (SO_PEERCRED)", PAIR, "struct.unpack('iii', a.getsockopt(1, 17, 12)) == (os.getpid(), os.getuid(), os.getgid())"),
    ("SO_PASSCRED", PAIR + "a.setsockopt(1, 16, 1)", "a.getsockopt(1, 16)"),
    ("a Unix socket with a child", PAIR + "children = [child(lambda: a.send(b'abcd'))]; expected = b'abcd'", "once(b.recv(9))"),
    ("a listening Unix socket", "l = socket.socket(socket.AF_UNIX); l.bind('s'); l.listen(); c = socket.socket(socket.AF_UNIX)", "[c.connect('s'), l.accept()[0].fileno() > 0, c.close()][1] if c.fileno() >= 0 else True"),
    ("a listening Unix socket in the abstract", "n = f'\\0retake-{os.getpid()}'; l = socket.socket(socket.AF_UNIX); l.bind(n); l.listen()", "l.getsockname(), l.getsockopt(1, 30)"),
    ("a connection that waits at a Unix socket", "l = socket.socket(socket.AF_UNIX); l.bind('s'); l.listen(); c = socket.socket(socket.AF_UNIX); c.connect('s'); c.send(b'ab'); expected = b'ab'", "once(l.accept()[0].recv(9))"),
    ("a Unix socket with a name", "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('s')", "s.getsockname(), os.path.exists('s')"),
    ("a Unix socket that is not connected", "s = socket.socket(socket.AF_UNIX)", "errno_of(s.send, b'x')"),
    ("a Unix socket with a name of a deleted file", "l = socket.socket(socket.AF_UNIX); l.bind('s'); l.listen(); os.unlink('s')", "l.getsockname(), os.path.exists('s'), l.getsockopt(1, 30)"),
    ("a Unix socket whose directory was deleted", "os.mkdir('d'); l = socket.socket(socket.AF_UNIX); l.bind(os.path.abspath('d/s')); l.listen(); os.unlink('d/s'); os.rmdir('d')", "l.getsockname(), os.path.exists('d'), l.getsockopt(1, 30)"),
    ("datagrams to a Unix socket with a name", "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind('s'); c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); c.connect('s')", "s.getsockname(), c.getpeername(), errno_of(s.getpeername), [c.send(b'ab'), s.recv(9)], os.path.exists('s')"),
    ("datagrams between Unix sockets with names", "s, c = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in '12'); s.bind('s'); c.bind('c'); c.connect('s'); s.connect('c')", "[(x.getsockname(), x.getpeername()) for x in (s, c)], [c.send(b'ab'), s.recv(9)], [s.send(b'cd'), c.recv(9)]"),
    ("a connection in the abstract", "n = f'\\0retake-{os.getpid()}'; l = socket.socket(socket.AF_UNIX); l.bind(n); l.listen(); c = socket.socket(socket.AF_UNIX); c.connect(n); d, _ = l.accept()", "d.getsockname(), c.getpeername(), [c.send(b'ab'), d.recv(9)], struct.unpack('iii', c.getsockopt(1, 17, 12)) == (os.getpid(), os.getuid(), os.getgid())"),
    ("two connections to a Unix socket whose clients have names", "l = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); l.bind(os.path.abspath('s')); l.listen(); c = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in '12']; d = []\nfor i, x in enumerate(c): x.bind(f'c{i}'); x.connect(l.getsockname()); d.append(l.accept()[0])", "[x.getsockname() for x in c + d], [x.getpeername() for x in c + d], [d[1].send(b'ab'), c[1].recv(9)]"),
    ("who is at the other end of a connection of Unix sockets", """
l = socket.socket(socket.AF_UNIX); l.bind('s'); l.listen(); made = []
children = [child(lambda: (made.append(socket.socket(socket.AF_UNIX)), made[0].connect('s')))]; d, _ = l.accept()
""", "struct.unpack('iii', d.getsockopt(1, 17, 12)) == (children[0] if children else 0, os.getuid(), os.getgid())"),
    ("accepted connections of a Unix socket", "l = socket.socket(socket.AF_UNIX); l.bind('s'); l.listen(); c = socket.socket(socket.AF_UNIX); c.connect('s'); d, _ = l.accept()", "[c.send(b'ab'), d.recv(9), d.getsockname(), c.getpeername(), os.path.exists('s')]"),
    ("a TCP socket that is not connected", "s = socket.socket()", "s.getsockname(), errno_of(s.send, b'x')"),
    ("a TCP socket with an address", "s = socket.socket(); s.bind(('127.0.0.1', 0))", "s.getsockname()"),
    ("a listening TCP socket", LISTEN + "c = socket.socket()", "l.getsockname(), l.getsockopt(1, 30)"),
    ("a listening TCP socket of IPv6", "l = socket.create_server(('::1', 0), family=socket.AF_INET6)", "l.getsockname(), l.getsockopt(1, 30)"),
    ("a connection that waits at a TCP socket", LISTEN + "c = socket.create_connection(l.getsockname())", "len(select.select([l], [], [], 0)[0])"),
    ("a connection with data that waits at a TCP socket", LISTEN + "c = socket.create_connection(l.getsockname()); c.send(b'ab'); expected = b'ab'", "once(l.accept()[0].recv(9))"),
    ("connections that wait at a TCP socket, in their order", LISTEN + "c, d = (socket.create_connection(l.getsockname()) for _ in '12'); expected = (c.getsockname(), d.getsockname())", "once((l.accept()[1], l.accept()[1]))"),
    ("a TCP connection in the tree", TCP, "[c.send(b'ab'), d.recv(9)], [d.send(b'cd'), c.recv(9)], c.getsockname() == d.getpeername(), d.getsockname() == c.getpeername()"),
    ("a TCP connection of IPv6", "l = socket.create_server(('::1', 0), family=socket.AF_INET6); c = socket.create_connection(l.getsockname()[:2]); d, _ = l.accept()", "[c.send(b'ab'), d.recv(9)], c.getsockname() == d.getpeername()"),
    ("a TCP connection of IPv4 to a socket of IPv6", "l = socket.create_server(('::', 0), family=socket.AF_INET6, dualstack_ipv6=True); c = socket.create_connection(('127.0.0.1', l.getsockname()[1])); d, _ = l.accept()", "[c.send(b'ab'), d.recv(9)], d.getpeername()[0], c.getsockname()[1] == d.getpeername()[1]"),
    ("a TCP connection whose listening socket is closed", TCP + "l.close()", "[c.send(b'ab'), d.recv(9)], c.getsockname() == d.getpeername()"),
    ("a TCP connection with a child", LISTEN + "c = []\nchildren = [child(lambda: (c.append(socket.create_connection(l.getsockname())), c[0].send(b'abcd')))]; d, _ = l.accept(); expected = (b'abcd', True)", "once((d.recv(9), d.getpeername() != d.getsockname()))"),
    ("what waits in a TCP connection", TCP + "c.send(b'abcd'); d.send(b'efg'); expected = (b'abcd', b'efg')", "once((d.recv(9), c.recv(9)))"),
    ("a megabyte that waits in a TCP connection", LISTEN + "l.setsockopt(1, 8, 4 << 20)\nc = socket.create_connection(l.getsockname()); d, _ = l.accept()\nc.setsockopt(1, 7, 4 << 20); n = c.send(b'abcd' * 50000); time.sleep(0.1); expected = b'abcd' * (n // 4)", "once(d.recv(n, socket.MSG_WAITALL))"),
    ("what doesn't go into a TCP connection any more", TCP + "c.setblocking(False); x = b'abcd' * 50000; n = 0\ntry:\n    while True: n += c.send(x)\nexcept BlockingIOError: pass\nexpected = n", "once(len(d.recv(n, socket.MSG_WAITALL)))"),
    ("a TCP connection shut down", TCP + "c.send(b'ab'); c.shutdown(socket.SHUT_WR); expected = (b'ab', b'', [1, b'x'], 32)", "once((d.recv(9), d.recv(9), [d.send(b'x'), c.recv(9)], errno_of(c.send, b'x')))"),
    ("a TCP connection shut down for reading", TCP + "c.shutdown(socket.SHUT_RD)", "c.recv(9)"),
    ("a TCP connection that both have ended", TCP + "c.send(b'ab'); c.shutdown(socket.SHUT_WR); d.shutdown(socket.SHUT_WR); time.sleep(0.1); expected = (b'ab', b'', b'', 32, 107)", "once((d.recv(9), d.recv(9), c.recv(9), errno_of(c.send, b'x'), errno_of(d.getpeername)))"),
    ("a TCP connection whose other end is closed", TCP + "d.send(b'ab'); d.close(); expected = (b'ab', b'')", "once((c.recv(9), c.recv(9)))"),
    ("options of TCP connections", TCP + "c.setsockopt(6, 1, 1); c.setsockopt(1, 9, 1); d.setsockopt(6, 4, 77); d.setsockopt(1, 7, 40000); c.setblocking(False)", "c.getsockopt(6, 1), c.getsockopt(1, 9), d.getsockopt(6, 4), d.getsockopt(1, 7), d.getsockopt(1, 2), c.getsockopt(1, 2), c.getsockopt(1, 72), d.getsockopt(1, 72), fcntl.fcntl(c, fcntl.F_GETFL)"),
    ("a TCP connection to outside", "c = socket.create_connection(('127.0.0.1', int(sys.argv[3])))", "c.getpeername()[0]"),
    ("a UDP socket", UDP, "[u.sendto(b'ab', u.getsockname()), u.recv(9), u.getsockname()]"),
    ("a connected UDP socket", UDP + "v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname())", "v.getpeername() == u.getsockname(), v.getsockname(), [v.send(b'ab'), u.recv(9)]"),
    ("datagrams that wait in a UDP socket", UDP + "u.sendto(b'ab', u.getsockname()); expected = b'ab'", "once(u.recv(9))"),
    ("datagrams that wait in a UDP socket of several (SO_REUSEPORT)", "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.setsockopt(1, 15, 1); u.bind(('127.0.0.1', 0))\nu.sendto(b'ab', u.getsockname()); expected = b'ab'", "once(u.recv(9))"),
    ("datagrams that wait with what they were sent to (IP_PKTINFO)", UDP + "u.setsockopt(0, 8, 1); u.sendto(b'ab', u.getsockname()); expected = (b'ab', 1)", "once([(m[0], len(m[1])) for m in [u.recvmsg(9, 99)]][0])"),
    ("a UDP socket that is corked", UDP + "v = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v.connect(u.getsockname()); v.setsockopt(17, 1, 1)", "v.getsockopt(17, 1)"),
    ("a membership of a multicast group", UDP + "u.setsockopt(0, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('224.1.1.1') + socket.inet_aton('127.0.0.1'))", "errno_of(u.setsockopt, 0, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('224.1.1.1') + socket.inet_aton('127.0.0.1'))"),
    ("a raw socket", "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "s.getsockopt(1, 3)"),
    ("a packet socket", "s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)", "s.getsockopt(1, 39)"),
    ("a netlink socket", "s = socket.socket(16, socket.SOCK_RAW, 0); s.bind((0, 0))", "s.getsockname()[0] > 0"),
    ("a socket of virtual machines (vsock)", """
try: s = socket.socket(40, socket.SOCK_STREAM)
except OSError as e: raise Unavailable("AF_VSOCK: " + e.strerror)
""", "s.getsockopt(1, 39)"),
    ("a socket of the kernel's cryptography (AF_ALG)", """
try: s = socket.socket(38, socket.SOCK_SEQPACKET); s.bind(('hash', 'sha256'))
except OSError as e: raise Unavailable("AF_ALG: " + e.strerror)
""", "s.getsockopt(1, 39)"),
    ("a socket of multipath TCP", """
try: s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError as e: raise Unavailable("MPTCP: " + e.strerror)
""", "s.getsockopt(1, 38)"),
    option("SO_REUSEADDR", 1, 2, 1),
    option("SO_REUSEPORT", 1, 15, 1),
    option("SO_KEEPALIVE", 1, 9, 1),
    option("SO_BROADCAST", 1, 6, 1, type="socket.SOCK_DGRAM"),
    option("SO_OOBINLINE", 1, 10, 1),
    option("SO_PRIORITY", 1, 12, 5),
    option("SO_LINGER", 1, 13, "struct.pack('ii', 1, 7)", size=8),
    option("SO_SNDBUF", 1, 7, 40000),
    option("SO_RCVBUF", 1, 8, 40000),
    option("SO_RCVLOWAT", 1, 18, 7),
    option("SO_RCVTIMEO", 1, 20, "struct.pack('ll', 3, 0)", size=16),
    option("SO_SNDTIMEO", 1, 21, "struct.pack('ll', 3, 0)", size=16),
    option("SO_TIMESTAMP", 1, 29, 1, type="socket.SOCK_DGRAM"),
    option("SO_RXQ_OVFL", 1, 40, 1, type="socket.SOCK_DGRAM"),
    option("SO_DONTROUTE", 1, 5, 1),
    option("SO_INCOMING_CPU", 1, 49, 1),
    option("SO_ZEROCOPY", 1, 60, 1),
    option("SO_PEEK_OFF", 1, 42, 3, family="socket.AF_UNIX"),
    option("SO_PASSSEC", 1, 34, 1, family="socket.AF_UNIX"),
    ("SO_MARK", "s = socket.socket(); s.setsockopt(1, 36, 5)", "s.getsockopt(1, 36)"),
    ("SO_BINDTODEVICE", "s = socket.socket(); s.setsockopt(1, 25, b'lo\\0')", "s.getsockopt(1, 25, 16)"),
    ("a filter of a socket (SO_ATTACH_FILTER)", """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.1', 0))
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0)); s.setsockopt(1, 26, struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
""", "[s.sendto(b'x', s.getsockname()), len(select.select([s], [], [], 0)[0])]"),
    option("TCP_NODELAY", 6, 1, 1),
    option("TCP_CORK", 6, 3, 1),
    option("TCP_MAXSEG", 6, 2, 900),
    option("TCP_KEEPIDLE", 6, 4, 77),
    option("TCP_KEEPINTVL", 6, 5, 7),
    option("TCP_KEEPCNT", 6, 6, 3),
    option("TCP_SYNCNT", 6, 7, 3),
    option("TCP_LINGER2", 6, 8, 9),
    option("TCP_DEFER_ACCEPT", 6, 9, 5),
    option("TCP_WINDOW_CLAMP", 6, 10, 9000),
    option("TCP_QUICKACK", 6, 12, 0),
    option("TCP_USER_TIMEOUT", 6, 18, 7000),
    option("TCP_CONGESTION", 6, 13, "b'reno'", size=4),
    option("TCP_FASTOPEN", 6, 23, 5),
    option("TCP_FASTOPEN_CONNECT", 6, 30, 1),
    option("TCP_NOTSENT_LOWAT", 6, 25, 5000),
    option("IP_TTL", 0, 2, 9),
    option("IP_TOS", 0, 1, 16),
    option("IP_MULTICAST_TTL", 0, 33, 9, type="socket.SOCK_DGRAM"),
    option("IP_MULTICAST_LOOP", 0, 34, 0, type="socket.SOCK_DGRAM"),
    option("IP_MULTICAST_IF", 0, 32, "socket.inet_aton('127.0.0.1')", type="socket.SOCK_DGRAM", size=4),
    option("IP_MTU_DISCOVER", 0, 10, 2),
    option("IP_RECVERR", 0, 11, 1),
    option("IP_PKTINFO", 0, 8, 1, type="socket.SOCK_DGRAM"),
    option("IP_RECVTTL", 0, 12, 1, type="socket.SOCK_DGRAM"),
    option("IP_FREEBIND", 0, 15, 1),
    option("IP_OPTIONS", 0, 4, "b'\\x01\\x01\\x01\\x01'", size=4),
    option("IPV6_V6ONLY", 41, 26, 1, family="socket.AF_INET6"),
    option("IPV6_UNICAST_HOPS", 41, 16, 9, family="socket.AF_INET6"),
    option("IPV6_RECVPKTINFO", 41, 49, 1, family="socket.AF_INET6", type="socket.SOCK_DGRAM"),
    option("IPV6_TCLASS", 41, 67, 16, family="socket.AF_INET6"),
    option("UDP_GRO", 17, 104, 1, type="socket.SOCK_DGRAM"),
]
