#include "replay/user_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace retake {
namespace {

bool IsOurs(int directory, const char* path) {
  struct stat status;
  return fstatat(directory, path, &status, AT_EMPTY_PATH) == 0 && S_ISDIR(status.st_mode) &&
         status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

// The path of the user's cache, of all programs; empty if there is none.
std::string CacheHome() {
  const char* cache = getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return cache;
  const char* home = getenv("HOME");
  if (home == nullptr || home[0] != '/') return {};
  return std::string(home) + "/.cache";
}

}  // namespace

Fd OpenUserCache(const char* name) {
  std::string home = CacheHome();
  if (home.empty()) return {};
  std::string path = home + "/retake/" + name;
  auto open_it = [&] { return Fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); };
  Fd directory = open_it();
  if (!directory && errno == ENOENT) {
    for (const std::string& part : {home, home + "/retake", path}) mkdir(part.c_str(), 0700);
    directory = open_it();
  }
  if (!directory || !IsOurs(directory.get(), "") || !IsOurs(directory.get(), "..")) return {};
  return directory;
}

}  // namespace retake
