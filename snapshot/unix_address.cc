#include "snapshot/unix_address.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace retake {

bool HasName(const std::vector<uint8_t>& name) { return name.size() > sizeof(sa_family_t); }

std::string PathIn(const std::vector<uint8_t>& name) {
  constexpr size_t kStart = offsetof(sockaddr_un, sun_path);
  if (name.size() <= kStart || name[kStart] == 0) return {};
  const char* path = reinterpret_cast<const char*>(name.data()) + kStart;
  return std::string(path, strnlen(path, name.size() - kStart));
}

}  // namespace retake
