// OpenFile: an open file description as a checkpoint keeps it, and the descriptors that refer to
// it.
//
// Descriptors made by dup or inherited over a fork share one description: its offset, its flags,
// its lock. So the two are kept apart, and a description that several processes hold is kept once.
#ifndef RETAKE_SNAPSHOT_OPEN_FILE_H_
#define RETAKE_SNAPSHOT_OPEN_FILE_H_

#include <sys/epoll.h>
#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "snapshot/fields.h"
#include "snapshot/file_locks.h"
#include "snapshot/page_range.h"

namespace retake {

enum class FileKind : uint8_t {
  kUnknown = 0,
  kRegular,
  kDirectory,
  kDevice,    // a character device that holds no state: null, zero, full, random, urandom
  kNameless,  // a memfd, or a file that was deleted: a shared object
  kPipe,      // with or without a name
  kEventFd,
  kTimerFd,
  kSignalFd,
  kEpoll,
  kUnixSocket,
  kInternetSocket,
  kInotify,
  kTerminal,  // either end of a pseudoterminal
  kTcpConnection,
  kPidfd,
};

// A file with a name.
struct NamedFile {
  std::string path;  // absolute, as the program saw it
  uint64_t device = 0, inode = 0;
  uint32_t mode = 0;  // st_mode
  uint64_t size = 0;
  int64_t changed_at = 0;  // mtime, nanoseconds
  bool deleted = false;
  int64_t touched_at = 0;         // ctime, nanoseconds
  std::vector<uint64_t> content;  // XXH3, 128 bits: low, high; empty: not known
  bool written = false;           // by stores to a shared mapping, which leave no trace of a time
  bool kept = false;              // what it held is in the checkpoint (--self-contained):
  std::vector<PageRange> pages;   // ascending; what isn't said is zero
};

template <typename V>
void Visit(V& visit, NamedFile& file) {
  visit("path", file.path);
  visit("device", file.device);
  visit("inode", file.inode);
  visit("mode", file.mode);
  visit("size", file.size);
  visit("changed_at", file.changed_at);
  visit("deleted", file.deleted);
  visit("touched_at", file.touched_at);
  visit("content", file.content);
  visit("written", file.written);
  visit("kept", file.kept);
  visit("pages", file.pages);
}

// As fstat(2) showed the file at `path`; `deleted` if it has no name any more.
NamedFile NamedFileOf(std::string path, const struct stat& status);

// A message, or a stretch of a stream, that waits to be read.
struct QueuedBytes {
  std::vector<uint8_t> bytes;
  std::vector<uint8_t> from;  // of a datagram: the sender's address
};

template <typename V>
void Visit(V& visit, QueuedBytes& queued) {
  visit("bytes", queued.bytes);
  visit("from", queued.from);
}

// A pipe that one or more descriptions are ends of; the first of them in the image has its
// contents.
struct PipeState {
  uint64_t inode = 0;  // which pipe
  uint32_t capacity = 0;
  std::vector<QueuedBytes> queued;
  std::string path;  // of a fifo; empty: a pipe without a name
};

template <typename V>
void Visit(V& visit, PipeState& pipe) {
  visit("inode", pipe.inode);
  visit("capacity", pipe.capacity);
  visit("queued", pipe.queued);
  visit("path", pipe.path);
}

struct EventFdState {
  uint64_t count = 0;
  bool semaphore = false;
};

template <typename V>
void Visit(V& visit, EventFdState& event) {
  visit("count", event.count);
  visit("semaphore", event.semaphore);
}

struct TimerFdState {
  int32_t clock = 0;
  int32_t settings = 0;   // TFD_TIMER_*, as it was last set
  uint64_t ticks = 0;     // expirations that were not read
  int64_t remaining = 0;  // 0: not armed
  int64_t interval = 0;
  int64_t expires = 0;  // the time on its clock, if it was set to one
};

template <typename V>
void Visit(V& visit, TimerFdState& timer) {
  visit("clock", timer.clock);
  visit("settings", timer.settings);
  visit("ticks", timer.ticks);
  visit("remaining", timer.remaining);
  visit("interval", timer.interval);
  visit("expires", timer.expires);
}

struct SignalFdState {
  uint64_t mask = 0;
};

template <typename V>
void Visit(V& visit, SignalFdState& signals) {
  visit("mask", signals.mask);
}

// What an epoll instance watches: a descriptor's number in the process that added it.
struct EpollEntry {
  int32_t number = 0;
  uint32_t events = 0;
  uint64_t data = 0;

  // EPOLLONESHOT and nothing to report: errors and hang-ups are reported of any other entry.
  bool has_fired() const { return (events & (EPOLLONESHOT | EPOLLERR)) == EPOLLONESHOT; }
};

template <typename V>
void Visit(V& visit, EpollEntry& entry) {
  visit("number", entry.number);
  visit("events", entry.events);
  visit("data", entry.data);
}

struct EpollState {
  std::vector<EpollEntry> entries;
};

template <typename V>
void Visit(V& visit, EpollState& epoll) {
  visit("entries", epoll.entries);
}

struct SocketOption {
  int32_t level = 0, name = 0;
  std::vector<uint8_t> value;
};

template <typename V>
void Visit(V& visit, SocketOption& option) {
  visit("level", option.level);
  visit("name", option.name);
  visit("value", option.value);
}

struct MulticastGroup {
  std::string interface;         // its name
  std::vector<uint8_t> address;  // 4 or 16 bytes
};

template <typename V>
void Visit(V& visit, MulticastGroup& group) {
  visit("interface", group.interface);
  visit("address", group.address);
}

// Who made the other end of a Unix connection, or listened for it (SO_PEERCRED).
struct PeerCredentials {
  int32_t pid = 0;  // 0: not known
  uint32_t uid = 0, gid = 0;
};

template <typename V>
void Visit(V& visit, PeerCredentials& peer) {
  visit("pid", peer.pid);
  visit("uid", peer.uid);
  visit("gid", peer.gid);
}

// Where the other end of a TCP connection is.
enum class OtherEnd : uint8_t {
  kNone = 0,     // this is no connection
  kInTree,       // peer_inode is a socket that the image has
  kNotAccepted,  // in the queue of a listening socket that the image has, peer_inode
  kClosed,       // nobody holds it any more
  kEnded,        // both ends have finished: there is no connection any more
  kElsewhere,    // out of reach
};

// What the kernel knows of one end of a connection, for another socket to go on with
// (snapshot/tcp_repair.h). Sequence numbers are TCP's.
struct TcpRepair {
  uint32_t sent = 0;             // the number of the first byte that isn't acknowledged, ...
  std::vector<uint8_t> to_send;  // ... that one and all others, ...
  uint64_t unsent = 0;           // ... and how many of these have never left it
  uint32_t received = 0;         // the number of the first byte that wasn't read
  uint32_t segment = 0;          // the largest that may be sent, bytes
  uint32_t options = 0;          // TCPI_OPT_*: what both ends have agreed on
  uint32_t send_scale = 0, receive_scale = 0;
  uint32_t timestamp = 0;
  std::vector<uint32_t> window;  // struct tcp_repair_window
  std::string table;             // that holds its packets back (snapshot/packet_filter.h)
};

template <typename V>
void Visit(V& visit, TcpRepair& repair) {
  visit("sent", repair.sent);
  visit("to_send", repair.to_send);
  visit("unsent", repair.unsent);
  visit("received", repair.received);
  visit("segment", repair.segment);
  visit("options", repair.options);
  visit("send_scale", repair.send_scale);
  visit("receive_scale", repair.receive_scale);
  visit("timestamp", repair.timestamp);
  visit("window", repair.window);
  visit("table", repair.table);
}

struct SocketState {
  uint64_t inode = 0;
  int32_t domain = 0, type = 0, protocol = 0;
  std::vector<uint8_t> name;       // what it is bound to; empty: nothing
  std::vector<uint8_t> peer_name;  // what it is connected to
  uint64_t peer_inode = 0;         // the other socket of a pair; 0: none
  bool listening = false;
  uint32_t backlog = 0;
  uint32_t shut_down = 0;  // 1: for reading, 2: for writing
  std::vector<QueuedBytes> queued;
  std::vector<SocketOption> options;
  std::vector<uint8_t> filter;  // struct sock_filter, one after the other
  bool filter_locked = false;   // SO_LOCK_FILTER
  std::vector<MulticastGroup> groups;
  std::string directory;  // where its name, if that is a relative path, leads to it
  bool unlinked = false;  // its name, a path, leads to it no more
  OtherEnd other_end = OtherEnd::kNone;
  PeerCredentials peer;
  std::optional<TcpRepair> repair;  // kElsewhere; nothing: it is reset
};

template <typename V>
void Visit(V& visit, SocketState& socket) {
  visit("inode", socket.inode);
  visit("domain", socket.domain);
  visit("type", socket.type);
  visit("protocol", socket.protocol);
  visit("name", socket.name);
  visit("peer_name", socket.peer_name);
  visit("peer_inode", socket.peer_inode);
  visit("listening", socket.listening);
  visit("backlog", socket.backlog);
  visit("shut_down", socket.shut_down);
  visit("queued", socket.queued);
  visit("options", socket.options);
  visit("filter", socket.filter);
  visit("filter_locked", socket.filter_locked);
  visit("groups", socket.groups);
  visit("directory", socket.directory);
  visit("unlinked", socket.unlinked);
  visit("other_end", socket.other_end);
  visit("peer", socket.peer);
  visit("repair", socket.repair);
}

struct InotifyWatch {
  int32_t descriptor = 0;
  uint32_t mask = 0;
  std::string path;
};

template <typename V>
void Visit(V& visit, InotifyWatch& watch) {
  visit("descriptor", watch.descriptor);
  visit("mask", watch.mask);
  visit("path", watch.path);
}

struct InotifyState {
  std::vector<InotifyWatch> watches;
};

template <typename V>
void Visit(V& visit, InotifyState& inotify) {
  visit("watches", inotify.watches);
}

// One end of a pseudoterminal, and what is set for both.
struct TerminalState {
  uint32_t index = 0;          // which: N of /dev/pts/N
  bool master = false;         // this is the end that a terminal emulator has
  bool outside = false;        // the master is not in the tree
  std::vector<uint8_t> modes;  // the kernel's struct termios2
  uint32_t rows = 0, columns = 0, width = 0, height = 0;
  bool locked = false, packets = false, exclusive = false;
};

template <typename V>
void Visit(V& visit, TerminalState& terminal) {
  visit("index", terminal.index);
  visit("master", terminal.master);
  visit("outside", terminal.outside);
  visit("modes", terminal.modes);
  visit("rows", terminal.rows);
  visit("columns", terminal.columns);
  visit("width", terminal.width);
  visit("height", terminal.height);
  visit("locked", terminal.locked);
  visit("packets", terminal.packets);
  visit("exclusive", terminal.exclusive);
}

// A descriptor of a process.
struct PidfdState {
  int32_t pid = 0;  // -1: it has ended, and was reaped
};

template <typename V>
void Visit(V& visit, PidfdState& pidfd) {
  visit("pid", pidfd.pid);
}

// Whom a description signals (fcntl F_SETOWN_EX, F_SETSIG), and the lease that is a reason to.
struct IoSignals {
  int32_t owner_type = 0;  // F_OWNER_*
  int32_t owner = 0;       // 0: nobody
  int32_t signal = 0;      // 0: SIGIO
  uint32_t lease = 0;      // 1: for reading, 2: for writing
};

template <typename V>
void Visit(V& visit, IoSignals& signals) {
  visit("owner_type", signals.owner_type);
  visit("owner", signals.owner);
  visit("signal", signals.signal);
  visit("lease", signals.lease);
}

struct OpenFile {
  FileKind kind = FileKind::kUnknown;
  uint32_t flags = 0;  // O_*, as fdinfo gives them
  int64_t offset = 0;
  std::optional<NamedFile> named;  // kRegular, kDirectory, kDevice
  uint32_t object = 0;             // kNameless: index of a shared object
  std::optional<PipeState> pipe;
  std::optional<EventFdState> event;
  std::optional<TimerFdState> timer;
  std::optional<SignalFdState> signals;
  std::optional<EpollState> epoll;
  std::optional<SocketState> socket;
  std::optional<InotifyState> inotify;
  std::optional<TerminalState> terminal;
  std::optional<IoSignals> signals_of;
  uint32_t lock = 0;                   // flock: LOCK_SH or LOCK_EX
  std::vector<RangeLock> range_locks;  // F_OFD_SETLK
  std::optional<PidfdState> pidfd;
};

template <typename V>
void Visit(V& visit, OpenFile& file) {
  visit("kind", file.kind);
  visit("flags", file.flags);
  visit("offset", file.offset);
  visit("named", file.named);
  visit("object", file.object);
  visit("pipe", file.pipe);
  visit("event", file.event);
  visit("timer", file.timer);
  visit("signals", file.signals);
  visit("epoll", file.epoll);
  visit("socket", file.socket);
  visit("inotify", file.inotify);
  visit("lock", file.lock);
  visit("terminal", file.terminal);
  visit("range_locks", file.range_locks);
  visit("signals_of", file.signals_of);
  visit("pidfd", file.pidfd);
}

// A descriptor of a process's table.
struct Descriptor {
  int32_t number = 0;
  bool close_on_exec = false;
  uint32_t file = 0;                    // index into the checkpoint's open files
  std::vector<RangeLock> record_locks;  // F_SETLK, by this process through this descriptor
};

template <typename V>
void Visit(V& visit, Descriptor& descriptor) {
  visit("number", descriptor.number);
  visit("close_on_exec", descriptor.close_on_exec);
  visit("file", descriptor.file);
  visit("record_locks", descriptor.record_locks);
}

// The descriptors of a process.
struct DescriptorTable {
  std::vector<Descriptor> descriptors;
};

template <typename V>
void Visit(V& visit, DescriptorTable& table) {
  visit("descriptors", table.descriptors);
}

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_OPEN_FILE_H_
