#include "tracee/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/fd.h"

namespace retake {
namespace {

// Takes the numbers out of text in which spaces and tabs are between them.
template <typename T>
std::vector<T> NumbersIn(std::string_view text, int base) {
  std::vector<T> numbers;
  while (true) {
    size_t start = text.find_first_not_of(" \t\n");
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    T value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error == std::errc::invalid_argument) break;
    numbers.push_back(value);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
  }
  return numbers;
}

// The names in a directory that are numbers, ascending.
std::vector<int> NumberedEntries(const std::string& path) {
  std::vector<int> numbers;
  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
  while (directory != nullptr) {
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    int number = 0;
    std::string_view name = entry->d_name;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

Result<std::string> ReadWhole(const std::string& path, pid_t pid) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    int code = errno;
    return Error(code, fmt::format("can't open {}", path), pid);
  }
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t got = read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      int code = errno;
      return Error(code, fmt::format("can't read {}", path), pid);
    }
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

Status WriteWhole(const std::string& path, const std::string& text) {
  Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return ErrnoError("can't write \"{}\" to {}", text, path);
  return {};
}

Result<std::string> ReadProcFile(pid_t pid, std::string_view name) {
  return ReadWhole(fmt::format("/proc/{}/{}", pid, name), pid);
}

std::string ReadProcLink(pid_t pid, std::string_view name) {
  char path[4096];
  ssize_t size = readlink(fmt::format("/proc/{}/{}", pid, name).c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : std::string();
}

std::vector<std::string> ReadArguments(pid_t pid) {
  std::vector<std::string> arguments;
  Fd file(open(fmt::format("/proc/{}/cmdline", pid).c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  ssize_t got = 0;
  while (file && text.size() < (1 << 20) && (got = read(file.get(), buffer, sizeof buffer)) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\0', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return arguments;
}

std::vector<pid_t> TasksOf(pid_t pid) { return NumberedEntries(fmt::format("/proc/{}/task", pid)); }

std::vector<int> DescriptorsOf(pid_t pid) {
  return NumberedEntries(fmt::format("/proc/{}/fd", pid));
}

void KeepOnly(const std::set<int>& kept) {
  for (int fd : DescriptorsOf(getpid())) {
    if (!kept.contains(fd)) close(fd);
  }
}

std::vector<pid_t> AllProcesses() { return NumberedEntries("/proc"); }

std::optional<SleepingCall> ReadSleepingCall(pid_t tid) {
  auto text = ReadProcFile(tid, "syscall");
  if (!text.ok()) return std::nullopt;
  SleepingCall call;
  auto& args = call.args;
  // The kernel's own "%d 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%llx 0x%lx"; else fewer words.
  int read = sscanf(text->c_str(),
                    "%" SCNd64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
                    " %" SCNx64 " %" SCNx64 " %" SCNx64,
                    &call.number, &args[0], &args[1], &args[2], &args[3], &args[4], &args[5],
                    &call.stack, &call.pc);
  if (read != 9) return std::nullopt;
  return call;
}

std::vector<pid_t> ChildrenOf(pid_t pid, pid_t tid) {
  auto text = ReadProcFile(pid, fmt::format("task/{}/children", tid));
  return text.ok() ? NumbersIn<pid_t>(*text, 10) : std::vector<pid_t>();
}

std::vector<uint64_t> PidsInNamespaces(pid_t pid) {
  auto status = ProcStatus::Read(pid);
  return status.ok() ? status->Numbers("NSpid") : std::vector<uint64_t>();
}

pid_t FindDescendant(pid_t pid, const std::function<bool(pid_t)>& wanted) {
  std::vector<pid_t> parents = {pid};
  for (size_t i = 0; i < parents.size(); ++i) {
    pid_t parent = parents[i];
    for (pid_t tid : TasksOf(parent)) {
      for (pid_t child : ChildrenOf(parent, tid)) {
        if (wanted(child)) return child;
        parents.push_back(child);
      }
    }
  }
  return 0;
}

Result<ProcStat> ProcStat::Read(pid_t pid) { return Parse(TRY(ReadProcFile(pid, "stat"))); }

Result<ProcStat> ProcStat::ReadTask(pid_t pid, pid_t tid) {
  return Parse(TRY(ReadProcFile(pid, fmt::format("task/{}/stat", tid))));
}

Result<ProcStat> ProcStat::Parse(std::string_view text) {
  // The name may hold anything, parentheses and spaces too: it ends at the last one.
  size_t open = text.find('(');
  size_t close = text.rfind(')');
  constexpr size_t kFieldsBehindState = 48;
  ProcStat stat;
  if (open != std::string_view::npos && close != std::string_view::npos && close > open &&
      close + 3 < text.size()) {
    stat.name_ = text.substr(open + 1, close - open - 1);
    stat.state_ = text[close + 2];
    std::string_view rest = text.substr(close + 3);
    while (!rest.empty()) {
      size_t start = rest.find_first_not_of(" \n");
      if (start == std::string_view::npos) break;
      rest.remove_prefix(start);
      size_t size = std::min(rest.find_first_of(" \n"), rest.size());
      std::string_view word = rest.substr(0, size);
      rest.remove_prefix(size);
      int64_t value = 0;
      if (word.starts_with('-')) {
        std::from_chars(word.data(), word.data() + word.size(), value);
      } else {
        uint64_t wide = 0;
        std::from_chars(word.data(), word.data() + word.size(), wide);
        value = static_cast<int64_t>(wide);
      }
      stat.fields_.push_back(value);
    }
  }
  if (stat.fields_.size() < kFieldsBehindState)
    return MakeError("can't read /proc/PID/stat: {}", text);
  return stat;
}

Result<ProcStatus> ProcStatus::Read(pid_t pid) {
  ProcStatus status;
  status.text_ = TRY(ReadProcFile(pid, "status"));
  return status;
}

char StateOf(pid_t pid) {
  std::string path = fmt::format("/proc/{}/stat", pid);
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[512];
  ssize_t got = file ? read(file.get(), text, sizeof text - 1) : 0;
  if (got <= 0) return 0;
  text[got] = 0;
  // The name may hold anything but its end is the last parenthesis.
  const char* name_end = strrchr(text, ')');
  return name_end != nullptr && name_end[1] == ' ' ? name_end[2] : '\0';
}

Result<ProcStatus> ProcStatus::ReadTask(pid_t pid, pid_t tid) {
  ProcStatus status;
  status.text_ = TRY(ReadProcFile(pid, fmt::format("task/{}/status", tid)));
  return status;
}

std::optional<std::string_view> ProcStatus::Line(std::string_view name) const {
  std::string_view text = text_;
  while (!text.empty()) {
    size_t size = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (line.size() <= name.size() || !line.starts_with(name) || line[name.size()] != ':') continue;
    line.remove_prefix(name.size() + 1);
    size_t start = line.find_first_not_of(" \t");
    return start == std::string_view::npos ? std::string_view() : line.substr(start);
  }
  return std::nullopt;
}

std::vector<uint64_t> ProcStatus::Numbers(std::string_view name, int base) const {
  auto line = Line(name);
  return line ? NumbersIn<uint64_t>(*line, base) : std::vector<uint64_t>();
}

uint64_t ProcStatus::Number(std::string_view name, int base, uint64_t otherwise) const {
  auto numbers = Numbers(name, base);
  return numbers.empty() ? otherwise : numbers[0];
}

}  // namespace retake
