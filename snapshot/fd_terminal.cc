// Pseudoterminals: both ends where the tree has both, and the slave of one whose master is outside,
// which becomes the slave of a new one (RestoreOptions::terminal).
#include <asm/termbits.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "snapshot/fd_kind.h"
#include "snapshot/terminal.h"

namespace retake {
namespace {

// Documentation/admin-guide/devices.txt.
constexpr unsigned kTtyMajor = 5;
constexpr unsigned kControllingMinor = 0;  // /dev/tty
constexpr unsigned kMasterMinor = 2;       // /dev/ptmx

bool IsDevice(const FdSubject& subject, unsigned major_number, unsigned minor_number) {
  return major(subject.status.st_rdev) == major_number &&
         minor(subject.status.st_rdev) == minor_number;
}

bool IsTerminal(const FdSubject& subject) {
  if (!S_ISCHR(subject.status.st_mode)) return false;
  return PseudoterminalOf(subject.status.st_rdev) >= 0 ||
         IsDevice(subject, kTtyMajor, kMasterMinor) ||
         IsDevice(subject, kTtyMajor, kControllingMinor);
}

// Which one a descriptor is an end of; -1: none that is known.
int64_t IndexOf(const FdSubject& subject) {
  if (IsDevice(subject, kTtyMajor, kMasterMinor)) {
    return subject.Info("tty-index").empty()
               ? -1
               : static_cast<int64_t>(subject.InfoNumber("tty-index", 10));
  }
  if (!IsDevice(subject, kTtyMajor, kControllingMinor))
    return PseudoterminalOf(subject.status.st_rdev);
  auto stat = ProcStat::Read(subject.pid);
  return stat.ok() ? PseudoterminalOf(ControllingDevice(*stat)) : -1;
}

Result<bool> CaptureTerminal(const FdSubject& subject, FdCapture& capture, OpenFile& out) {
  int64_t index = IndexOf(subject);
  if (index < 0) {
    capture.Lose(subject, "it is a terminal that is no pseudoterminal, which isn't kept");
    return false;
  }
  if (subject.copy == nullptr) {
    capture.Lose(subject, "how its terminal is set can't be asked");
    return false;
  }
  int fd = subject.copy->get();
  TerminalState state{.index = static_cast<uint32_t>(index),
                      .master = IsDevice(subject, kTtyMajor, kMasterMinor)};
  termios2 modes{};
  winsize size{};
  int waiting = 0, exclusive = 0;
  // A master whose slave has never been opened, or one that was hung up, can't be asked all.
  if (ioctl(fd, TCGETS2, &modes) != 0 || ioctl(fd, TIOCGWINSZ, &size) != 0) {
    capture.Lose(subject, "its terminal has been hung up");
    return false;
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(&modes);
  state.modes.assign(bytes, bytes + sizeof modes);
  state.rows = size.ws_row;
  state.columns = size.ws_col;
  state.width = size.ws_xpixel;
  state.height = size.ws_ypixel;
  if (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0)
    capture.Lose(subject, fmt::format("{} bytes that wait to be read from it", waiting),
                 LossNature::kPassing);
  if (ioctl(fd, TIOCGEXCL, &exclusive) == 0) state.exclusive = exclusive != 0;
  if (state.master) {
    int locked = 0, packets = 0;
    if (ioctl(fd, TIOCGPTLCK, &locked) == 0) state.locked = locked != 0;
    if (ioctl(fd, TIOCGPKT, &packets) == 0) state.packets = packets != 0;
  }
  out.terminal = std::move(state);
  return true;
}

// A new pseudoterminal, with the index that it had if that is free.
Result<Fd> OpenMaster(uint32_t index) {
  std::vector<Fd> others;
  for (;;) {
    Fd master(open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    unsigned got = 0;
    if (!master || ioctl(master.get(), TIOCGPTN, &got) != 0)
      return ErrnoError("can't make a pseudoterminal");
    // The kernel gives the lowest that is free: others are held until that one's turn comes.
    if (got >= index) return master;
    others.push_back(std::move(master));
  }
}

Result<int> MasterOf(const TerminalState& state, FdRestore& restore) {
  if (state.outside) {
    if (restore.options.terminal >= 0) return restore.options.terminal;
    return MakeError(
        "it had a terminal (/dev/pts/{}), whose other end is outside of it: restore it in front, "
        "without --detach, to give it a new one",
        state.index);
  }
  auto known = restore.masters.find(state.index);
  if (known != restore.masters.end()) return known->second.get();
  Fd opened = TRY(OpenMaster(state.index));
  Fd master = TRY(HoldHigh(opened, restore.options.lowest));
  int unlocked = 0;
  if (ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return ErrnoError("can't unlock a terminal");
  TRY(SetTerminal(master.get(), state));
  return restore.masters.emplace(state.index, std::move(master)).first->second.get();
}

Result<Fd> OpenTerminal(const OpenFile& file, FdRestore& restore) {
  const TerminalState& state = *file.terminal;
  int master = TRY(MasterOf(state, restore));
  if (state.master) {
    int packets = state.packets ? 1 : 0;
    int locked = state.locked ? 1 : 0;
    if (ioctl(master, TIOCPKT, &packets) != 0 || ioctl(master, TIOCSPTLCK, &locked) != 0)
      return ErrnoError("can't set a terminal's mode");
    Fd fd(fcntl(master, F_DUPFD_CLOEXEC, restore.options.lowest));
    if (!fd) return ErrnoError("can't hold a terminal open");
    TRY(SetStatusFlags(fd.get(), file));
    return fd;
  }
  int access = static_cast<int>(file.flags & O_ACCMODE);
  Fd fd(ioctl(master, TIOCGPTPEER, access | O_NOCTTY | O_CLOEXEC));
  if (!fd) return ErrnoError("can't open a terminal");
  TRY(SetStatusFlags(fd.get(), file));
  return fd;
}

}  // namespace

int64_t PseudoterminalOf(uint64_t device) {
  constexpr unsigned kFirst = 136, kLast = 143;  // UNIX98_PTY_SLAVE_MAJOR, eight of them
  constexpr unsigned kEach = 256;
  unsigned number = major(device);
  if (number < kFirst || number > kLast) return -1;
  return (number - kFirst) * kEach + minor(device);
}

uint64_t ControllingDevice(const ProcStat& stat) {
  constexpr size_t kField =
      7;  // proc_pid_stat(5): minor in bits 31 to 20 and 7 to 0, major between
  auto number = static_cast<uint32_t>(stat.field(kField));
  return makedev(number >> 8 & 0xfff, (number & 0xff) | (number >> 12 & 0xfff00));
}

Status SetTerminal(int fd, const TerminalState& state) {
  termios2 modes{};
  if (state.modes.size() != sizeof modes) return MakeError("a terminal's modes are damaged");
  memcpy(&modes, state.modes.data(), sizeof modes);
  winsize size{static_cast<unsigned short>(state.rows), static_cast<unsigned short>(state.columns),
               static_cast<unsigned short>(state.width), static_cast<unsigned short>(state.height)};
  if (ioctl(fd, TCSETS2, &modes) != 0 || ioctl(fd, TIOCSWINSZ, &size) != 0)
    return ErrnoError("can't set a terminal's modes");
  return {};
}

Status CompleteTerminals(const FdRestore& restore) {
  for (size_t i = 0; i < restore.opened.size(); ++i) {
    const auto& terminal = restore.files[i].terminal;
    bool mine = terminal && terminal->exclusive && !restore.options.replaced.contains(i);
    if (mine && ioctl(restore.opened[i].get(), TIOCEXCL) != 0)
      return ErrnoError("can't have a terminal to itself");
  }
  return {};
}

void FindOutsideTerminals(std::span<OpenFile> files) {
  for (OpenFile& file : files) {
    if (!file.terminal || file.terminal->master) continue;
    file.terminal->outside = std::ranges::none_of(files, [&](const OpenFile& other) {
      return other.terminal && other.terminal->master &&
             other.terminal->index == file.terminal->index;
    });
  }
}

constinit const FdKind kTerminalFd = {FileKind::kTerminal, "terminal", IsTerminal, CaptureTerminal,
                                      OpenTerminal};

}  // namespace retake
