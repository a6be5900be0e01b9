#include "supervisor/loader_patches.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace retake {
namespace {

// Dynamic loaders are small; a larger mapping is of another program.
constexpr uint64_t kMostLoaderBytes = 512 << 10;
// To look through a small program is as fast as to look it up.
constexpr uint64_t kWorthANote = 64 << 10;
constexpr const char* kMatter = "loader";

// Memory for a moment, which the kernel gives all at once: page by page, as it is touched, would
// take four times as long as all that is done with it.
class RoomAtOnce {
 public:
  explicit RoomAtOnce(size_t size) : size_(size) {
    void* got = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (got != MAP_FAILED) data_ = static_cast<uint8_t*>(got);
  }
  RoomAtOnce(const RoomAtOnce&) = delete;
  RoomAtOnce& operator=(const RoomAtOnce&) = delete;
  ~RoomAtOnce() {
    if (data_ != nullptr) munmap(data_, size_);
  }

  // Null if there is none.
  uint8_t* data() const { return data_; }

 private:
  size_t size_;
  uint8_t* data_ = nullptr;
};

// Patches of a loader, and what they replace: good for code that has those bytes there.
struct LoaderCode {
  struct Place {
    Patch patch;
    std::vector<uint8_t> replaced;
  };
  std::vector<Place> places;

  static LoaderCode Find(ByteSpan code) {
    LoaderCode found;
    for (Patch& patch : machine::LoaderPatches(code)) {
      ByteSpan replaced = code.subspan(patch.offset, patch.bytes.size());
      found.places.push_back({std::move(patch), {replaced.begin(), replaced.end()}});
    }
    return found;
  }

  bool Fits(const TaskMemory& memory, const Mapping& mapping) const {
    auto fits = [&](const Place& place) {
      std::vector<uint8_t> bytes(place.replaced.size());
      return memory.Read(mapping.start + place.patch.offset, bytes.data(), bytes.size()) &&
             bytes == place.replaced;
    };
    return std::ranges::all_of(places, fits);
  }

  std::vector<uint8_t> Encode() const {
    ByteWriter out;
    out.Varint(places.size());
    for (const Place& place : places) {
      out.Varint(place.patch.offset);
      out.Blob(place.patch.bytes);
      out.Raw(place.replaced);
    }
    return out.Take();
  }
  static std::optional<LoaderCode> Decode(ByteSpan note) {
    ByteReader in(note);
    LoaderCode code;
    code.places.resize(in.Count());
    for (Place& place : code.places) {
      place.patch.offset = in.Varint();
      ByteSpan bytes = in.Blob();
      ByteSpan replaced = in.Raw(bytes.size());
      place.patch.bytes.assign(bytes.begin(), bytes.end());
      place.replaced.assign(replaced.begin(), replaced.end());
    }
    if (!in.ok() || !in.AtEnd()) return std::nullopt;
    return code;
  }
};

// The state of the file that is mapped, if its name still leads to it.
std::optional<struct stat> StateOf(const Mapping& mapping) {
  struct stat status {};
  if (stat(mapping.name.c_str(), &status) != 0 || status.st_dev != mapping.device ||
      status.st_ino != mapping.inode)
    return std::nullopt;
  return status;
}

Result<LoaderCode> FindLoaderCode(const TaskMemory& memory, const Mapping& mapping,
                                  CodeNotes* notes) {
  std::optional<struct stat> state;
  if (notes != nullptr && mapping.size() >= kWorthANote) state = StateOf(mapping);
  if (state) {
    auto note = notes->Find(*state, kMatter);
    auto known = note ? LoaderCode::Decode(*note) : std::nullopt;
    if (known && known->Fits(memory, mapping)) return std::move(*known);
  }
  RoomAtOnce room(mapping.size());
  if (room.data() == nullptr) return ErrnoError("can't read {}: no memory", mapping.name);
  size_t got = memory.ReadSome(mapping.start, room.data(), mapping.size());
  LoaderCode found = LoaderCode::Find(ByteSpan(room.data(), got));
  if (state) notes->Keep(*state, kMatter, found.Encode());
  return found;
}

}  // namespace

Result<std::vector<Patch>> LoaderPatchesOf(const TaskMemory& memory, const Mapping& mapping,
                                           CodeNotes* notes) {
  std::vector<Patch> patches;
  bool is_code = mapping.is_file() && (mapping.prot & PROT_EXEC) != 0;
  if (!is_code || mapping.size() > kMostLoaderBytes) return patches;
  // Each program has the same loader: its patches are computed once.
  static std::map<std::pair<uint64_t, uint64_t>, LoaderCode> loaders;
  auto [at, is_new] = loaders.try_emplace({mapping.device, mapping.inode});
  if (is_new || !at->second.Fits(memory, mapping))
    at->second = TRY(FindLoaderCode(memory, mapping, notes));
  for (const LoaderCode::Place& place : at->second.places) patches.push_back(place.patch);
  return patches;
}

}  // namespace retake
