// ByteSource: something of a known size that can be read at any offset: a file, a file inside a
// packed trace, bytes in memory. The archive reader works on one, so it needs not know which.
#ifndef RETAKE_ARCHIVE_SOURCE_H_
#define RETAKE_ARCHIVE_SOURCE_H_

#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace retake {

class ByteSource {
 public:
  virtual ~ByteSource() = default;

  // Bytes there are now; a file that is being written grows.
  virtual Result<uint64_t> Size() const = 0;
  // Reads up to buffer.size() bytes at `offset`; fewer only where the source ends.
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> buffer) const = 0;
  // For messages: the path, or what else names it.
  virtual const std::string& name() const = 0;
};

// A file. Reads with pread alone, so the descriptor's offset stays where it is.
class FileSource final : public ByteSource {
 public:
  FileSource(Fd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}
  Result<uint64_t> Size() const override;
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> buffer) const override;
  const std::string& name() const override { return name_; }

 private:
  Fd file_;
  std::string name_;
};

// Bytes in memory, which must outlive it.
class MemorySource final : public ByteSource {
 public:
  MemorySource(ByteSpan bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}

  Result<uint64_t> Size() const override { return bytes_.size(); }
  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> buffer) const override;
  const std::string& name() const override { return name_; }

 private:
  ByteSpan bytes_;
  std::string name_;
};

// Opens `path` read-only; refuses what is not a regular file, and can't be made to wait by one.
Result<Fd> OpenRegularFile(const std::string& path);

// Reads up to buffer.size() bytes at `offset`; fewer only where the file ends.
Result<size_t> ReadAt(int fd, uint64_t offset, std::span<uint8_t> buffer, const std::string& name);
// Writes all of `bytes` at `offset`, through short writes and interruptions.
Status WriteAt(int fd, uint64_t offset, ByteSpan bytes, const std::string& name);
// ... of two, the second behind the first: with one call, as a rule.
Status WriteAt(int fd, uint64_t offset, ByteSpan first, ByteSpan second, const std::string& name);

}  // namespace retake

#endif  // RETAKE_ARCHIVE_SOURCE_H_
