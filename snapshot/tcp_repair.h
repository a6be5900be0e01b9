// A TCP connection that goes on with its other end never having seen anything of it: what the
// kernel knows of its own end is read, and put into another socket, with TCP_REPAIR. That takes
// CAP_NET_ADMIN. Its packets must be held back from before it is read until the other socket is
// there (snapshot/packet_filter.h).
//
// A socket under repair sends nothing, not even when it is closed. A program can't use it, so one
// of a living tree is under repair for microseconds only.
#ifndef RETAKE_SNAPSHOT_TCP_REPAIR_H_
#define RETAKE_SNAPSHOT_TCP_REPAIR_H_

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/internet_address.h"
#include "snapshot/open_file.h"

namespace retake {

// Whether this user may do it.
Status MayRepair();

// `queued`: what wasn't read.
Result<TcpRepair> ReadConnection(int fd, std::vector<QueuedBytes>& queued);
// Another such end in a new socket, which is under repair then.
Status MakeConnection(int fd, const SocketState& state);
// It goes on, with what it hadn't sent yet.
Status ResumeConnection(int fd, const TcpRepair& repair);

// Connections of a tree whose packets are held back until it goes on or, if it has ended, from then
// on. A process aside sees to that, should this one be killed.
class HeldConnections {
 public:
  HeldConnections() = default;
  HeldConnections(const HeldConnections&) = delete;
  HeldConnections& operator=(const HeldConnections&) = delete;
  ~HeldConnections() { LetGo(); }

  // Those of the tree of process `root`. After a failure they aren't.
  Status Hold(pid_t root, std::span<const int> sockets);
  const std::string& table() const { return table_; }
  // The tree has ended.
  void Keep() { End(Word::kKeep); }
  void LetGo() { End(Word::kLetGo); }

 private:
  enum class Word : char { kKeep = 'k', kLetGo = 'g' };

  [[noreturn]] void Guard(pid_t root, int told, std::span<const int> sockets) const;
  void End(Word word);

  std::string table_;
  pid_t guard_ = 0;
  Fd tell_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_TCP_REPAIR_H_
