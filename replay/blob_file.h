// Blobs: file contents named by their hash, in a directory of such. What writes one never shows it
// half written: it is made without a name (O_TMPFILE) or under a temporary one, and named when
// whole, so any number of recorders may write the same blob at once and none may die badly.
#ifndef RETAKE_REPLAY_BLOB_FILE_H_
#define RETAKE_REPLAY_BLOB_FILE_H_

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace retake {

// The hash of some bytes: 32 hex digits (XXH3-128).
std::string BlobHash(ByteSpan bytes);

// The hash of all that `fd` has, read with pread alone.
Result<std::string> HashFile(int fd, const std::string& name);

struct BlobCopy {
  std::string hash;
  uint64_t size = 0;  // bytes
  Fd file;            // open on the copy
};

// Copies the contents of the regular file `source` into the blob directory `blobs`, by reflink
// where the filesystem can, and names the copy by its hash. A blob of that name and size that is
// already there is kept; one of another size is damaged and replaced. `name` is for messages.
Result<BlobCopy> CopyIntoBlobs(int source, int blobs, const std::string& name);

// Writes `bytes` as the blob `hash`.
Status WriteBlob(ByteSpan bytes, const std::string& hash, int blobs, const std::string& name);

// Writes `bytes` at `offset` of a new file, leaving holes where there are long runs of zeros.
Status WriteSparse(int fd, uint64_t offset, ByteSpan bytes, const std::string& name);

// Puts the blob that `file` has open, named `hash` in `from`, into `blobs` under the same name: a
// hard link, else a reflink, else a copy.
Status LinkBlob(int file, const std::string& hash, int from, int blobs, const std::string& name);

}  // namespace retake

#endif  // RETAKE_REPLAY_BLOB_FILE_H_
