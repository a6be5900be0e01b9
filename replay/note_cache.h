// The per-user cache of notes about code (tracee/code_notes.h): files `notes/IDENTITY.MATTER`
// beside the cache of file contents. Each begins with a hash of itself and of the program that
// wrote it: what another build of retake has found out, or damage, counts for nothing.
#ifndef RETAKE_REPLAY_NOTE_CACHE_H_
#define RETAKE_REPLAY_NOTE_CACHE_H_

#include <memory>
#include <string>

#include "base/fd.h"
#include "tracee/code_notes.h"

namespace retake {

class NoteCache : public CodeNotes {
 public:
  // The user's cache, made if need be; null if there can be none, or it isn't the user's own.
  // `writer` tells this build from others.
  static std::unique_ptr<NoteCache> Open(std::string writer = ThisBuild());

  std::optional<std::vector<uint8_t>> Find(const struct stat& status,
                                           std::string_view matter) const override;
  void Keep(const struct stat& status, std::string_view matter, ByteSpan note) override;

 private:
  // The identity of this program's file; empty if it can't be told.
  static std::string ThisBuild();
  NoteCache(Fd notes, std::string writer) : notes_(std::move(notes)), writer_(std::move(writer)) {}

  uint64_t HashOf(ByteSpan note) const;

  Fd notes_;
  std::string writer_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_NOTE_CACHE_H_
