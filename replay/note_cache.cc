#include "replay/note_cache.h"

#include <fcntl.h>
#include <xxhash.h>

#include <array>

#include "replay/blob_cache.h"
#include "replay/user_cache.h"

namespace retake {
namespace {

constexpr size_t kMostBytes = 16 << 10;

std::string NameOf(const struct stat& status, std::string_view matter) {
  return fmt::format("{}.{}", FileIdentity(status), matter);
}

}  // namespace

std::string NoteCache::ThisBuild() {
  struct stat self {};
  return stat("/proc/self/exe", &self) == 0 ? FileIdentity(self) : "";
}

std::unique_ptr<NoteCache> NoteCache::Open(std::string writer) {
  if (writer.empty()) return nullptr;
  Fd notes = OpenUserCache("notes");
  if (!notes) return nullptr;
  return std::unique_ptr<NoteCache>(new NoteCache(std::move(notes), std::move(writer)));
}

uint64_t NoteCache::HashOf(ByteSpan note) const {
  return XXH3_64bits_withSeed(note.data(), note.size(),
                              XXH3_64bits(writer_.data(), writer_.size()));
}

std::optional<std::vector<uint8_t>> NoteCache::Find(const struct stat& status,
                                                    std::string_view matter) const {
  Fd file(openat(notes_.get(), NameOf(status, matter).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return std::nullopt;
  std::array<uint8_t, kMostBytes> bytes;
  ssize_t got = read(file.get(), bytes.data(), bytes.size());
  if (got < 0) return std::nullopt;
  ByteReader in(ByteSpan(bytes).first(static_cast<size_t>(got)));
  uint64_t hash = in.U64();
  ByteSpan note = in.Raw(in.remaining());
  if (!in.ok() || hash != HashOf(note)) return std::nullopt;
  return std::vector<uint8_t>(note.begin(), note.end());
}

void NoteCache::Keep(const struct stat& status, std::string_view matter, ByteSpan note) {
  if (!IsSettled(status) || note.size() + sizeof(uint64_t) > kMostBytes) return;
  ByteWriter out;
  out.U64(HashOf(note));
  out.Raw(note);
  std::string temporary = fmt::format(".new-{}-{}", getpid(), matter);
  Fd file(openat(notes_.get(), temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return;
  bool written =
      write(file.get(), out.bytes().data(), out.size()) == static_cast<ssize_t>(out.size());
  if (!written || renameat(notes_.get(), temporary.c_str(), notes_.get(),
                           NameOf(status, matter).c_str()) != 0) {
    unlinkat(notes_.get(), temporary.c_str(), 0);
  }
}

}  // namespace retake
