// Addresses of Unix sockets, as the kernel gives them: struct sockaddr_un, unix(7).
#ifndef RETAKE_SNAPSHOT_UNIX_ADDRESS_H_
#define RETAKE_SNAPSHOT_UNIX_ADDRESS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace retake {

// A path, or one in the abstract.
bool HasName(const std::vector<uint8_t>& name);
// Empty: it has none, or one in the abstract.
std::string PathIn(const std::vector<uint8_t>& name);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_UNIX_ADDRESS_H_
