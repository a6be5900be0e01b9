// FdKind: how one kind of descriptor is captured and opened again. Each fd_*.cc gives one or more;
// descriptors.cc has the table.
#ifndef RETAKE_SNAPSHOT_FD_KIND_H_
#define RETAKE_SNAPSHOT_FD_KIND_H_

#include <sys/stat.h>

#include <map>
#include <string>

#include "snapshot/descriptors.h"
#include "snapshot/internet_address.h"
#include "snapshot/tcp_progress.h"
#include "snapshot/tcp_repair.h"
#include "snapshot/unix_connections.h"
#include "tracee/proc_files.h"

namespace retake {

// A descriptor of a frozen process.
struct FdSubject {
  pid_t pid = 0;
  int number = 0;
  std::string link;  // /proc/PID/fd/N: a path, "pipe:[123]", "anon_inode:[eventfd]"
  struct stat status {};
  std::string info;          // /proc/PID/fdinfo/N
  const Fd* copy = nullptr;  // of the same description; null where it can't be had

  // The value of a line "NAME: VALUE" of fdinfo; empty if there is none.
  std::string_view Info(std::string_view name) const;
  uint64_t InfoNumber(std::string_view name, int base) const;
};

// The descriptors of the tree that one pipe, or pair of sockets, is reached by.
struct FdEnds {
  pid_t pid = 0;  // the first that was met
  int number = 0;
  std::string link;
  bool reads = false, writes = false;
  bool hung_up = false;  // nobody at all holds the other end
  uint64_t inode = 0;
};

// A TCP socket of the tree that listens.
struct TcpListener {
  pid_t pid = 0;
  int number = 0;
  std::string link;
  uint64_t inode = 0;
  SocketName name;
  uint32_t waiting = 0;  // connections that weren't accepted yet
};

// An end of a TCP connection in the tree.
struct TcpEnd {
  pid_t pid = 0;
  int number = 0;
  std::string link;
  uint64_t inode = 0;
  SocketName name, peer_name;
  Fd copy;
};

// What is known of the whole tree's descriptors, for kinds that depend on each other.
struct FdCapture {
  SharedObjects& objects;
  Losses& losses;
  std::span<const pid_t> pids;
  std::span<const pid_t> zombies;
  std::map<uint64_t, FdEnds> pipes;  // by inode
  std::vector<FdEnds> sockets;       // of the machine's own family
  std::vector<TcpListener> listeners;
  std::vector<TcpEnd> connections;
  HeldConnections held;  // those of these whose other end is elsewhere

  void Lose(const FdSubject& subject, std::string what, LossNature nature = LossNature::kCertain);
};

struct FdRestore {
  std::span<const OpenFile> files;
  const DescriptorRestoreOptions& options;
  std::vector<Fd> opened;  // per file; invalid: not yet
  // Ends of pipes and sockets that were made along with another's.
  std::map<uint64_t, Fd> waiting;
  std::map<uint64_t, UnixPair> unix_pairs;  // by the inode of one of their ends
  std::map<uint32_t, Fd> masters;           // of pseudoterminals, by the index that they had

  // The end that was made along with another's; invalid: it wasn't yet.
  Fd TakeWaiting(uint64_t inode);
  // The path of a named file, under --relative-to.
  std::string PathOf(const NamedFile& file) const;
};

struct FdKind {
  FileKind kind;
  std::string_view name;  // as a loss says
  bool (*matches)(const FdSubject& subject);
  // Fills `out` beyond flags and offset. False: it can't be kept, and a loss says why.
  Result<bool> (*capture)(const FdSubject& subject, FdCapture& capture, OpenFile& out);
  Result<Fd> (*open)(const OpenFile& file, FdRestore& restore);
};

// When all descriptors have been seen: names pipes whose other end is held outside of the tree.
void FindOutsidePipes(FdCapture& capture);
// Marks ends of pseudoterminals whose master nobody in the tree has.
void FindOutsideTerminals(std::span<OpenFile> files);
// ... sockets likewise.
void FindOutsideSockets(FdCapture& capture, std::span<const OpenFile> files);

// Finds both ends of each connection, and does about those whose other end is out of reach what
// `outside` says. While the tree stands still: what they hold is looked at here.
Status PairConnections(FdCapture& capture, std::span<OpenFile> files, OutsideConnections outside);
// Has those with both ends in the tree, and those held, end with no more ado than a reset.
void ResetConnections(const FdCapture& capture, std::span<OpenFile> files);
// Sets what would hinder connections in being made.
Status CompleteConnections(const FdRestore& restore);

// Those that send to a name do so from when all names are there.
Status ConnectUnixDatagrams(const FdRestore& restore);

// What keeps others from being opened comes when all are.
Status CompleteTerminals(const FdRestore& restore);

// Flags that open(2) takes again: without those that only say how it was opened.
int ReopenFlags(const OpenFile& file);
// Sets the status flags that fcntl(F_SETFL) can set.
Status SetStatusFlags(int fd, const OpenFile& file);

extern const FdKind kRegularFd, kDirectoryFd, kDeviceFd, kNamelessFd;
extern const FdKind kPipeFd;
extern const FdKind kEventFdFd, kTimerFdFd, kSignalFdFd;
extern const FdKind kEpollFd;
extern const FdKind kUnixSocketFd, kTcpConnectionFd, kInternetSocketFd;
extern const FdKind kInotifyFd;
extern const FdKind kTerminalFd;
extern const FdKind kPidfdFd;

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_FD_KIND_H_
