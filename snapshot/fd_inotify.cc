// inotify instances: the files they watch, by the descriptors of their watches.
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "snapshot/fd_kind.h"

namespace retake {
namespace {

// <linux/inotify.h>: INOTIFY_IOC_SETNEXTWD, Linux 4.16; there with CONFIG_CHECKPOINT_RESTORE.
constexpr unsigned long kSetNextWatch = _IOW('I', 0, int32_t);

bool IsInotify(const FdSubject& subject) { return subject.link == "anon_inode:inotify"; }

// The path of a file that is known by its handle, "fhandle-bytes:8 fhandle-type:1 f_handle:0123..".
// Opening by handle takes CAP_DAC_READ_SEARCH.
std::string PathOfHandle(const char* text) {
  unsigned size = 0;
  int type = 0;
  char hex[2 * MAX_HANDLE_SZ + 1] = "";
  if (sscanf(text, "fhandle-bytes:%x fhandle-type:%x f_handle:%256s", &size,
             reinterpret_cast<unsigned*>(&type), hex) != 3 ||
      size > MAX_HANDLE_SZ || strlen(hex) < 2 * size)
    return {};
  struct {
    file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
  } handle{};
  handle.head.handle_bytes = size;
  handle.head.handle_type = type;
  for (unsigned i = 0; i < size; ++i) {
    unsigned value = 0;
    if (sscanf(hex + 2 * i, "%2x", &value) != 1) return {};
    handle.bytes[i] = static_cast<unsigned char>(value);
  }
  // A handle is of a file system: any file of that would do, and there are few.
  for (const char* mount : {"/", "/tmp", "/dev/shm", "/home", "/var", "/run"}) {
    Fd directory(open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) continue;
    Fd file(open_by_handle_at(directory.get(), &handle.head, O_PATH | O_CLOEXEC));
    if (!file) continue;
    return ReadProcLink(getpid(), fmt::format("fd/{}", file.get()));
  }
  return {};
}

// "inotify wd:1 ino:2a sdev:800001 mask:fce ignored_mask:0 fhandle-bytes:8 ..."
Result<bool> CaptureInotify(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  InotifyState state;
  size_t at = 0;
  while ((at = subject.info.find("inotify wd:", at)) != std::string::npos) {
    const char* line = subject.info.c_str() + at;
    InotifyWatch watch;
    uint64_t inode = 0;
    uint64_t device = 0;
    if (sscanf(line, "inotify wd:%" SCNx32 " ino:%" SCNx64 " sdev:%" SCNx64 " mask:%" SCNx32,
               reinterpret_cast<uint32_t*>(&watch.descriptor), &inode, &device, &watch.mask) != 4)
      return MakeError("can't read what an inotify instance watches");
    at += 11;
    size_t end = subject.info.find('\n', at);
    std::string text = subject.info.substr(at, end - at);
    size_t handle = text.find("fhandle-bytes:");
    if (handle != std::string::npos) watch.path = PathOfHandle(text.c_str() + handle);
    struct stat status {};
    bool same =
        !watch.path.empty() && stat(watch.path.c_str(), &status) == 0 && status.st_ino == inode;
    if (same) {
      state.watches.push_back(std::move(watch));
    } else {
      capture.Lose(subject, fmt::format("which file its watch {} watches can't be found out (that "
                                        "takes CAP_DAC_READ_SEARCH)",
                                        watch.descriptor));
    }
  }
  int queued = 0;
  if (subject.copy == nullptr || ioctl(subject.copy->get(), FIONREAD, &queued) != 0) {
    capture.Lose(subject, "whether it holds unread events can't be known", LossNature::kPossible);
  } else if (queued > 0) {
    capture.Lose(subject, fmt::format("it holds {} bytes of events that weren't read", queued),
                 LossNature::kPassing);
  }
  std::ranges::sort(state.watches, {}, &InotifyWatch::descriptor);
  out.inotify = std::move(state);
  return true;
}

Result<Fd> OpenInotify(const OpenFile& file, FdRestore& restore) {
  Fd fd(inotify_init1(IN_CLOEXEC));
  if (!fd) return ErrnoError("can't make an inotify instance");
  for (const InotifyWatch& watch : file.inotify->watches) {
    std::string path = restore.PathOf({.path = watch.path});
    if (ioctl(fd.get(), kSetNextWatch, watch.descriptor) != 0 && watch.descriptor != 1) {
      return ErrnoError("can't give an inotify watch its number {}", watch.descriptor);
    }
    int got = inotify_add_watch(fd.get(), path.c_str(), watch.mask);
    if (got < 0) return ErrnoError("can't watch {}", path);
    if (got != watch.descriptor)
      return MakeError("the watch of {} got the number {}, not {}", path, got, watch.descriptor);
  }
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

}  // namespace

constinit const FdKind kInotifyFd = {FileKind::kInotify, "inotify", IsInotify, CaptureInotify,
                                     OpenInotify};

}  // namespace retake
