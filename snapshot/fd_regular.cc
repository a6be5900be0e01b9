// Descriptors of files: those with a name, directories, devices without state; and those whose name
// is gone.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "snapshot/fd_kind.h"
#include "snapshot/file_contents.h"
#include "snapshot/kept_files.h"

namespace retake {
namespace {

bool IsDeleted(const FdSubject& subject) {
  return subject.status.st_nlink == 0 || subject.link.ends_with(" (deleted)");
}

// ipc/mqueue.c.
constexpr auto kMessageQueueMagic = 0x19800202;

bool IsOfMessageQueues(const FdSubject& subject) {
  struct statfs system {};
  std::string path = fmt::format("/proc/{}/fd/{}", subject.pid, subject.number);
  return statfs(path.c_str(), &system) == 0 && system.f_type == kMessageQueueMagic;
}

// Whether its name leads to it: it isn't of a mount that is nowhere, nor below another one.
bool IsReachable(const FdSubject& subject) {
  struct stat named {};
  std::string path = fmt::format("/proc/{}/root{}", subject.pid, subject.link);
  return lstat(path.c_str(), &named) == 0 && named.st_dev == subject.status.st_dev &&
         named.st_ino == subject.status.st_ino;
}

// A parameter of the kernel's is the machine's, whatever it is.
bool IsParameter(std::string_view path) { return path.starts_with("/proc/sys/"); }

Result<bool> CaptureNamed(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  if (IsOfMessageQueues(subject)) {
    capture.Lose(subject, "POSIX message queues aren't kept");
    return false;
  }
  if ((out.flags & O_PATH) == 0 && subject.link.starts_with("/proc/") &&
      !IsParameter(subject.link)) {
    capture.Lose(subject, fmt::format("what files of /proc say is another thing after a restore "
                                      "(--skip-fd {} leaves it out)",
                                      subject.number));
    return false;
  }
  if (!IsReachable(subject)) {
    capture.Lose(subject, "its name doesn't lead to it");
    return false;
  }
  out.named = NamedFileOf(subject.link, subject.status);
  return true;
}

Result<Fd> OpenNamed(const OpenFile& file, FdRestore& restore) {
  std::string path = restore.PathOf(*file.named);
  Fd fd(open(path.c_str(), ReopenFlags(file) | O_CLOEXEC | O_NOCTTY));
  if (!fd) return ErrnoError("can't open {}, which was open", path);
  return fd;
}

// --- Regular files ---

bool IsRegular(const FdSubject& subject) {
  return S_ISREG(subject.status.st_mode) && subject.link.starts_with('/') && !IsDeleted(subject);
}

Result<Fd> OpenAgain(int fd, const OpenFile& file) {
  std::string path = fmt::format("/proc/self/fd/{}", fd);
  Fd again(open(path.c_str(), (ReopenFlags(file) & ~O_TMPFILE) | O_CLOEXEC));
  if (!again) return ErrnoError("can't open a file without a name again");
  return again;
}

bool Writes(const OpenFile& file) { return (file.flags & O_ACCMODE) != O_RDONLY; }

// Who only reads gets a copy of what it was; the file that is there now stays as it is.
Result<Fd> OpenRewound(const OpenFile& file, FdRestore& restore) {
  Fd copy = TRY(restore.options.copy_of(*file.named));
  if (!Writes(file)) return OpenAgain(copy.get(), file);
  TRY(WriteBack(*file.named, copy.get(), restore.PathOf(*file.named)));
  return OpenNamed(file, restore);
}

Status RewindLength(const OpenFile& file, int fd, uint64_t size) {
  const NamedFile& was = *file.named;
  if (size < was.size) {
    return MakeError("{} is shorter than it was ({} bytes, now {}), and can't be rewound to that",
                     was.path, was.size, size);
  }
  if (Writes(file) && size > was.size && ftruncate(fd, static_cast<off_t>(was.size)) != 0)
    return ErrnoError("can't rewind {} to {} bytes", was.path, was.size);
  return {};
}

Result<Fd> OpenRegular(const OpenFile& file, FdRestore& restore) {
  const NamedFile& was = *file.named;
  Result<Fd> opened = OpenNamed(file, restore);
  if ((file.flags & O_PATH) != 0) return opened;
  if (!opened.ok() && !was.kept) return opened;
  struct stat now {};
  bool same = opened.ok() && (IsParameter(was.path) || IsSameContent(was, opened->get()));
  if (opened.ok() && fstat(opened->get(), &now) != 0)
    return ErrnoError("can't look at {}", was.path);
  auto size = static_cast<uint64_t>(now.st_size);
  if (!same && was.kept) {
    opened = TRY(OpenRewound(file, restore));
  } else if (!same && restore.options.rewind_files) {
    TRY(RewindLength(file, opened->get(), size));
  } else if (!same && !restore.options.keep_files) {
    return MakeError(
        "{} has changed since the checkpoint was taken ({} bytes then, {} now; a checkpoint taken "
        "with --files rewind or --files keep goes on all the same)",
        was.path, was.size, size);
  }
  if (lseek(opened->get(), file.offset, SEEK_SET) < 0)
    return ErrnoError("can't go to offset {} of {}", file.offset, was.path);
  return opened;
}

// --- Directories ---

bool IsDirectory(const FdSubject& subject) {
  return S_ISDIR(subject.status.st_mode) && !IsDeleted(subject);
}

Result<Fd> OpenDirectory(const OpenFile& file, FdRestore& restore) {
  Fd fd = TRY(OpenNamed(file, restore));
  if ((file.flags & O_PATH) == 0 && file.offset != 0 && lseek(fd.get(), file.offset, SEEK_SET) < 0)
    return ErrnoError("can't go on in the directory {}", file.named->path);
  return fd;
}

// --- Devices ---

// Documentation/admin-guide/devices.txt: memory devices, major 1.
constexpr unsigned kMemoryMajor = 1;
constexpr unsigned kStateless[] = {3, 5, 7, 8, 9};  // null, zero, full, random, urandom

bool IsStatelessDevice(const FdSubject& subject) {
  if (!S_ISCHR(subject.status.st_mode) || major(subject.status.st_rdev) != kMemoryMajor)
    return false;
  for (unsigned device : kStateless) {
    if (minor(subject.status.st_rdev) == device) return true;
  }
  return false;
}

// --- Files without a name ---

bool IsNameless(const FdSubject& subject) {
  return S_ISREG(subject.status.st_mode) && IsDeleted(subject);
}

Result<bool> CaptureNameless(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  if (IsOfMessageQueues(subject)) {
    capture.Lose(subject, "POSIX message queues aren't kept");
    return false;
  }
  // A description of our own, to read it by without moving the offset of theirs.
  std::string path = fmt::format("/proc/{}/fd/{}", subject.pid, subject.number);
  Fd own(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!own) {
    capture.Lose(subject, "it has no name any more and can't be read");
    return false;
  }
  if (subject.status.st_nlink > 0) {
    capture.Lose(subject,
                 "it was deleted, and has another name, which can't be found: it would be another "
                 "file than the one there");
  }
  out.object = capture.objects.IndexOf(subject.status.st_dev, subject.status.st_ino, subject.link);
  SharedObject& object = capture.objects.at(out.object);
  object.mode = subject.status.st_mode;
  int seals = fcntl(own.get(), F_GET_SEALS);
  object.seals = seals > 0 ? static_cast<uint32_t>(seals) : 0;
  object.is_memory = seals >= 0;
  capture.objects.HeldBy(out.object, std::move(own));
  return true;
}

Result<Fd> OpenNameless(const OpenFile& file, FdRestore& restore) {
  if (file.object >= restore.options.objects.size())
    return MakeError("the checkpoint is damaged: a file without a name has no contents");
  Fd fd = TRY(OpenAgain(restore.options.objects[file.object], file));
  if (lseek(fd.get(), file.offset, SEEK_SET) < 0)
    return ErrnoError("can't go to offset {} of a file without a name", file.offset);
  return fd;
}

}  // namespace

constinit const FdKind kRegularFd = {FileKind::kRegular, "regular file", IsRegular, CaptureNamed,
                                     OpenRegular};
constinit const FdKind kDirectoryFd = {FileKind::kDirectory, "directory", IsDirectory, CaptureNamed,
                                       OpenDirectory};
constinit const FdKind kDeviceFd = {FileKind::kDevice, "device", IsStatelessDevice, CaptureNamed,
                                    OpenNamed};
constinit const FdKind kNamelessFd = {FileKind::kNameless, "file without a name", IsNameless,
                                      CaptureNameless, OpenNameless};

}  // namespace retake
