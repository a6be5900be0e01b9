// The store of traces. Several recorders may make, and a user may remove, traces in it at any time:
// names are taken by mkdir, and `latest` is replaced by rename.
#include "replay/trace_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "archive/format.h"
#include "archive/source.h"
#include "replay/trace_format.h"
#include "replay/trace_manifest.h"

namespace retake {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLatest = "latest";
constexpr const char* kHint = "name a directory with -o, or set RETAKE_DIR";
constexpr size_t kMaxStem = 64;

// Makes a directory and its parents, mode 0700 as the XDG specification asks.
Status MakeDirectories(const fs::path& path) {
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT || !path.has_parent_path() || path.parent_path() == path) {
    return ErrnoError("can't make {}", path.string());
  }
  TRY(MakeDirectories(path.parent_path()));
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return ErrnoError("can't make {}", path.string());
}

std::string Stem(const std::string& program) {
  std::string stem = program.substr(program.find_last_of('/') + 1).substr(0, kMaxStem);
  for (char& c : stem) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '.' || c == '_' || c == '-' || c == '+';
    if (!plain) c = '_';
  }
  // A name may not be hidden, nor look like an option.
  if (stem.empty() || stem[0] == '.' || stem[0] == '-') stem.insert(0, "_");
  return stem;
}

// N of NAME-N; nothing if it isn't of that form.
std::optional<uint64_t> NumberOf(const std::string& name) {
  size_t dash = name.find_last_of('-');
  if (dash == std::string::npos || dash == 0) return std::nullopt;
  std::string digits = name.substr(dash + 1);
  if (digits.empty() || digits.size() > 18 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::stoull(digits);
}

uint64_t HighestNumber(const fs::path& store, const std::string& stem) {
  uint64_t highest = 0;
  std::error_code error;
  for (fs::directory_iterator entry(store, error), end; !error && entry != end;
       entry.increment(error)) {
    std::string name = entry->path().filename().string();
    std::optional<uint64_t> number = NumberOf(name);
    if (number && name.substr(0, name.find_last_of('-')) == stem) {
      highest = std::max(highest, *number);
    }
  }
  return highest;
}

std::string HeadOf(const std::string& path, size_t size) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat status;
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  FileSource source(std::move(file), path);
  std::string head(size, '\0');
  Result<size_t> got = source.ReadAt(0, {reinterpret_cast<uint8_t*>(head.data()), size});
  head.resize(got.ok() ? *got : 0);
  return head;
}

// A trace, whole or damaged: its manifest or its events begin as ours do.
bool LooksLikeTrace(const std::string& directory) {
  return LooksLikeManifest(HeadOf(directory + "/" + kManifestName, 256)) ||
         HeadOf(directory + "/" + kEventsName, 16).starts_with(archive_format::kMagic);
}

bool LooksLikePackedTrace(const std::string& file) {
  std::string head = HeadOf(file, kArchiveHeaderBytes);
  return head.size() == kArchiveHeaderBytes && head.starts_with(archive_format::kMagic) &&
         head[archive_format::kContentOffset] == static_cast<char>(ArchiveContent::kPackedTrace);
}

// When it was made, in nanoseconds: the time of birth where the filesystem keeps it, else of the
// last change.
int64_t Age(const fs::path& path) {
  struct statx status = {};
  if (statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_MTIME, &status) != 0) {
    return 0;
  }
  const statx_timestamp& time =
      (status.stx_mask & STATX_BTIME) != 0 ? status.stx_btime : status.stx_mtime;
  return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

Result<std::string> Newest() {
  std::string store = TRY(TraceStoreDirectory());
  std::error_code error;
  fs::path target = fs::read_symlink(fs::path(store) / kLatest, error);
  if (!error) {
    std::string trace = (fs::path(store) / target).string();
    if (fs::is_directory(trace, error)) return trace;
  }
  std::vector<std::string> names = TRY(ListTraces());
  if (names.empty()) {
    return MakeError("there are no traces in {} yet: `retake record -- CMD` makes one", store);
  }
  return store + "/" + names.back();
}

// `latest` must not point at what is gone.
void RepairLatest(const std::string& store) {
  std::error_code error;
  fs::path link = fs::path(store) / kLatest;
  if (!fs::is_symlink(link, error) || fs::exists(link, error)) return;
  Result<std::vector<std::string>> names = ListTraces();
  if (names.ok() && !names->empty()) {
    Status set = SetLatest(store + "/" + names->back());
    if (set.ok()) return;
  }
  fs::remove(link, error);
}

}  // namespace

Result<std::string> TraceStoreDirectory() {
  const char* own = getenv("RETAKE_DIR");
  if (own != nullptr && own[0] != '\0') return fs::absolute(own).string();
  const char* data = getenv("XDG_DATA_HOME");
  if (data != nullptr && data[0] == '/') return std::string(data) + "/retake";
  const char* home = getenv("HOME");
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.local/share/retake";
  return MakeError("there is no place for traces, since $HOME is not set: {}", kHint);
}

Result<std::string> NewTraceDirectory(const std::string& program) {
  std::string store = TRY(TraceStoreDirectory());
  Status made = MakeDirectories(store);
  if (!made.ok()) {
    return Error(made.error().code(), fmt::format("{} ({})", made.error().what(), kHint));
  }
  std::string stem = Stem(program);
  // Others may take numbers meanwhile: each EEXIST means that one of them got on.
  for (uint64_t number = HighestNumber(store, stem) + 1;; number++) {
    std::string directory = fmt::format("{}/{}-{}", store, stem, number);
    if (mkdir(directory.c_str(), 0700) == 0) return directory;
    if (errno != EEXIST) return ErrnoError("can't make {} ({})", directory, kHint);
  }
}

Status PrepareTraceDirectory(const std::string& directory) {
  if (mkdir(directory.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return ErrnoError("can't make {}", directory);
  std::error_code error;
  bool empty = fs::is_empty(directory, error);
  if (error) return Error(error.value(), fmt::format("can't look into {}", directory));
  if (!fs::is_directory(directory, error)) return MakeError("{} is not a directory", directory);
  if (!empty) return MakeError("{} is not empty: a trace needs a directory of its own", directory);
  return {};
}

Status SetLatest(const std::string& directory) {
  Result<std::string> store = TraceStoreDirectory();
  if (!store.ok()) return {};
  std::error_code error;
  fs::path trace = fs::canonical(directory, error);
  if (error) return Error(error.value(), fmt::format("can't find {}", directory));
  if (trace.parent_path() != fs::canonical(*store, error) || error) return {};
  static std::atomic<uint64_t> counter = 0;
  std::string temporary = fmt::format("{}/.latest-{}-{}", *store, getpid(), counter++);
  unlink(temporary.c_str());
  if (symlink(trace.filename().c_str(), temporary.c_str()) != 0) {
    return ErrnoError("can't make {}", temporary);
  }
  if (rename(temporary.c_str(), fmt::format("{}/{}", *store, kLatest).c_str()) != 0) {
    Error failure = ErrnoError("can't replace {}/{}", *store, kLatest);
    unlink(temporary.c_str());
    return failure;
  }
  return {};
}

Result<std::string> ResolveTrace(const std::string& name) {
  if (name.empty() || name == kLatest) return Newest();
  if (name.find('/') != std::string::npos) return name;
  std::error_code error;
  if (fs::is_directory(name, error)) return name;
  Result<std::string> store = TraceStoreDirectory();
  if (store.ok() && fs::is_directory(*store + "/" + name, error)) return *store + "/" + name;
  if (LooksLikePackedTrace(name)) return name;
  if (!store.ok()) return store;
  return MakeError(
      "there is no trace '{}', neither in {} nor here: `retake ls` shows what there is", name,
      *store);
}

Result<std::vector<std::string>> ListTraces() {
  std::string store = TRY(TraceStoreDirectory());
  std::vector<std::pair<int64_t, std::string>> found;
  std::error_code error;
  for (fs::directory_iterator entry(store, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_symlink(ignored) || !entry->is_directory(ignored)) continue;
    if (!LooksLikeTrace(entry->path().string())) continue;
    found.emplace_back(Age(entry->path()), entry->path().filename().string());
  }
  if (error && error.value() != ENOENT) {
    return Error(error.value(), fmt::format("can't list {}", store));
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> names;
  names.reserve(found.size());
  for (auto& [age, name] : found) names.push_back(std::move(name));
  return names;
}

Status RemoveTrace(const std::string& directory) {
  std::error_code error;
  fs::path path = fs::canonical(directory, error);
  if (error) return Error(error.value(), fmt::format("can't find {}", directory));
  bool is_trace = fs::is_directory(path, error) ? LooksLikeTrace(path.string())
                                                : LooksLikePackedTrace(path.string());
  if (!is_trace) return MakeError("{} is not a trace: nothing was removed", directory);
  fs::remove_all(path, error);
  if (error) return Error(error.value(), fmt::format("can't remove {}", directory));
  Result<std::string> store = TraceStoreDirectory();
  if (store.ok() && fs::canonical(*store, error) == path.parent_path()) RepairLatest(*store);
  return {};
}

}  // namespace retake
