#include "replay/input_comparison.h"

#include <fmt/format.h>

#include <algorithm>

#include "replay/written_bytes.h"

namespace retake {

std::optional<std::string> InputComparison::FindDifference(const Event& event,
                                                           const TaskMemory& memory) {
  pieces_.clear();
  if (!event.previews.empty() && bytes_.size() < event.data.size())
    bytes_.resize(event.data.size());
  for (const MemoryPreview& preview : event.previews) {
    // What the call writes too was kept before that, or after.
    bool is_output = std::ranges::any_of(event.writes, [&](const MemoryWrite& write) {
      return write.address < preview.address + preview.size &&
             preview.address < write.address + write.size;
    });
    if (is_output) continue;
    pieces_.push_back({preview.address, std::span(bytes_).subspan(preview.offset, preview.size)});
  }
  if (!pieces_.empty()) memory.Gather(pieces_);
  for (const TaskMemory::Piece& piece : pieces_) {
    auto offset = static_cast<size_t>(piece.buffer.data() - bytes_.data());
    bool equal = piece.got == piece.buffer.size() &&
                 std::ranges::equal(piece.buffer, ByteSpan(event.data).subspan(offset, piece.got));
    if (!equal) return fmt::format("other memory at {:#x}, which it is given", piece.address);
  }
  if (event.written_hash != 0 && HashWritten(memory, event.written) != event.written_hash)
    return "that it writes something else";
  return std::nullopt;
}

}  // namespace retake
