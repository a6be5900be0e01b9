// The per-user cache of file contents: ${XDG_CACHE_HOME:-~/.cache}/retake. Copying what a program
// maps is most of the cost of recording a short one, and it maps the same libraries every time.
//
// `blobs/HASH` holds copies, never links to the user's files; `index/KEY` are symbolic links whose
// target is the text HASH.SIZE, so that a look-up is one readlink and an update one rename. KEY is
// a file's identity: device, inode, size, mtime and ctime. Any damage costs a copy, no more.
#ifndef RETAKE_REPLAY_BLOB_CACHE_H_
#define RETAKE_REPLAY_BLOB_CACHE_H_

#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "replay/blob_file.h"

namespace retake {

// What tells one state of a file from another.
std::string FileIdentity(const struct stat& status);

// Whether a file with these times can be known by them: both older than 100 ms. A younger file may
// change again without its times changing, since the kernel's file clock ticks coarsely (4 to 10
// ms).
bool IsSettled(const struct stat& status);

class BlobCache {
 public:
  // The user's cache, made if need be; null if there can be none, or it isn't the user's own.
  static std::unique_ptr<BlobCache> Open();

  // The copy of the file in this state, if it is there and whole.
  std::optional<BlobCopy> Find(const struct stat& status) const;
  // Copies `fd`'s contents into the cache, and remembers the copy if the file didn't change
  // meanwhile.
  Result<BlobCopy> Store(int fd, const struct stat& status, const std::string& name) const;

  // The directory that holds the copies, for LinkBlob.
  int blobs() const { return blobs_.get(); }

 private:
  BlobCache(Fd index, Fd blobs) : index_(std::move(index)), blobs_(std::move(blobs)) {}

  Fd index_;
  Fd blobs_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_BLOB_CACHE_H_
