// Capture and restore of file descriptors, of all kinds. Each kind has a file of its own, fd_*.cc.
//
// Capture is done from outside, while the tree is frozen, and changes nothing: descriptors are
// copied with pidfd_getfd (or opened through /proc/PID/fd where that is refused), and asked there.
// Restore opens every description in the restoring process, at high numbers that the restored
// processes inherit; each of them then gives its descriptors their numbers. What only the holder
// can do (an epoll's interest list) it does by calls of its own.
#ifndef RETAKE_SNAPSHOT_DESCRIPTORS_H_
#define RETAKE_SNAPSHOT_DESCRIPTORS_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "snapshot/loss.h"
#include "snapshot/open_file.h"
#include "snapshot/shared_objects.h"
#include "snapshot/sharing_probe.h"
#include "stub/layout.h"

namespace retake {

// What is done about TCP connections whose other end is outside of the tree.
enum class OutsideConnections : uint8_t {
  kName,   // they would be lost
  kClose,  // they may be (--tcp-close)
  kHold,   // their other ends are kept waiting, for the tree ends and goes on when restored
  kLook,   // whether that could be done is found out, and nothing done
};

struct DescriptorCaptureOptions {
  std::set<int> skipped;  // numbers that are not kept (--skip-fd)
  OutsideConnections outside = OutsideConnections::kName;
  // Asked where kcmp isn't allowed.
  const SharingProbe* sharing = nullptr;
};

class DescriptorCapture {
 public:
  // Adds the open files to `files`, and what can't be kept to `losses`.
  DescriptorCapture(const DescriptorCaptureOptions& options, SharedObjects& objects,
                    std::vector<OpenFile>& files, Losses& losses);
  DescriptorCapture(const DescriptorCapture&) = delete;
  DescriptorCapture& operator=(const DescriptorCapture&) = delete;
  ~DescriptorCapture();

  // Of the frozen processes `pids`, in their order. A descriptor that can't be kept is left out of
  // its table. `zombies` are the processes of the tree that have ended.
  Result<std::vector<DescriptorTable>> Tables(std::span<const pid_t> pids,
                                              std::span<const pid_t> zombies);
  // Names what has an end outside of the tree. The processes may go on meanwhile: it takes time by
  // all the descriptors on the machine.
  void FindOutside();
  // Before the tree is killed: has its connections end at once, so that nothing is left of them
  // that would keep a restore from making them again for a minute (TIME_WAIT).
  void ResetConnections();
  // When it has been.
  void LeaveConnections();
  // Before the tree goes on: so do its connections to elsewhere.
  void LetConnectionsGo();

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

struct DescriptorRestoreOptions {
  int lowest = 0;                            // no descriptor made has a lower number
  std::map<uint32_t, std::string> replaced;  // opened instead, by index of the file
  std::string relative_to;                   // --relative-to
  bool same_pids = true;                     // the restored processes have the pids of old
  bool rewind_files = false;                 // --files rewind
  bool keep_files = false;                   // --files keep
  std::span<const int> objects;              // the shared objects, open
  // A copy of a file that the checkpoint has kept.
  std::function<Result<Fd>(const NamedFile&)> copy_of;
  int terminal = -1;  // the master of a pseudoterminal for those that had one from outside
};

// The same description under a number from `lowest` on.
Result<Fd> HoldHigh(const Fd& file, int lowest);

// The opened descriptions, in the order of `files`.
Result<std::vector<Fd>> OpenFiles(std::span<const OpenFile> files,
                                  const DescriptorRestoreOptions& options);

// Right before the restored processes go on: connections to elsewhere do. `opened` as OpenFiles
// returns it.
Status ResumeConnections(std::span<const OpenFile> files, std::span<const int> opened);

// The flags that pidfd_open(2) takes for it.
unsigned PidfdFlags(const OpenFile& file);

// A call that a process has to make for itself once its descriptors have their numbers, with the
// bytes that it points to: they are put at `scratch`.
struct HolderCall {
  BatchCall call;
  std::vector<uint8_t> bytes;
  std::string purpose;  // as in "can't ..."
  int tolerated = 0;    // an errno that is no failure
};
// `is_first`: no process before it has that file.
std::vector<HolderCall> HolderCalls(const DescriptorTable& table, std::span<const OpenFile> files,
                                    const std::function<bool(uint32_t file)>& is_first,
                                    uint64_t scratch);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_DESCRIPTORS_H_
