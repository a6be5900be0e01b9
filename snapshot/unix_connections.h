// Connections of Unix sockets made again as they were: with the names of both ends, and with the
// process, user and group that each end is told of the other (SO_PEERCRED).
//
// The kernel notes who makes a pair of sockets, listens, or connects. So processes that have those
// pids for a moment, before the restored ones get them, do it for our descriptors. Names that are
// paths are bound in a file system of their own, where nothing else is.
#ifndef RETAKE_SNAPSHOT_UNIX_CONNECTIONS_H_
#define RETAKE_SNAPSHOT_UNIX_CONNECTIONS_H_

#include <cstdint>
#include <map>
#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/open_file.h"

namespace retake {

// Both ends of a connection; `there` may be of a socket that is gone.
struct UnixPair {
  Fd here, there;
};

// By the inode that `here` had: one for each connection of which `files` have an end. Where pids
// can't be chosen, or are others' (`same_pids`), names are kept and pids aren't; where there can't
// be another file system, neither are paths.
Result<std::map<uint64_t, UnixPair>> MakeUnixPairs(std::span<const OpenFile> files, bool same_pids);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_UNIX_CONNECTIONS_H_
