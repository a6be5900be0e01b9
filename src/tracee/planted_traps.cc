#include "tracee/planted_traps.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "tracee/code_file.h"

namespace retake {
namespace {

// Code is looked through piece by piece: what a cache holds, and no more memory than that, is
// touched. Each piece begins with the end of the one before, for disassembly to begin in.
constexpr size_t kPiece = 64 << 10;
constexpr size_t kBefore = 8 << 10;

std::vector<machine::TrapSite> FindSites(int fd, std::span<uint8_t> room) {
  CodeFile file(fd);
  std::vector<machine::TrapSite> all;
  for (const CodeSection& section : file.sections()) {
    uint64_t done = 0;  // of the section
    while (done < section.size) {
      uint64_t begin = done - std::min<uint64_t>(done, kBefore);
      ByteSpan code = ByteSpan(room).first(file.Read(section, begin, room));
      if (code.empty()) break;
      auto function_start = [&](size_t offset) -> std::optional<size_t> {
        auto start = file.FunctionStart(section.address + begin + offset);
        if (!start || *start < section.address + begin) return std::nullopt;
        return *start - section.address - begin;
      };
      bool is_last = begin + code.size() >= section.size;
      // One that the end of the piece may cut is the next one's.
      uint64_t end = begin + code.size() - (is_last ? 0 : machine::kMaxInstruction);
      for (machine::TrapSite& site : machine::FindTrapSites(code, function_start)) {
        uint64_t at = begin + site.offset;
        if (at < done || at >= end) continue;
        site.offset = section.offset + at;
        all.push_back(site);
      }
      if (end <= done) break;
      done = end;
    }
  }
  return all;
}

// Below that, to look is as fast as to look it up.
constexpr off_t kWorthANote = 64 << 10;
constexpr const char* kMatter = "traps";

std::vector<uint8_t> Encode(const std::vector<machine::TrapSite>& sites) {
  ByteWriter out;
  out.Varint(sites.size());
  for (const machine::TrapSite& site : sites) {
    out.Varint(site.offset);
    out.U8(static_cast<uint8_t>(site.kind));
    out.Blob(ByteSpan(site.original).first(site.size));
    out.Raw(ByteSpan(site.trap).first(site.size));
  }
  return out.Take();
}

std::optional<std::vector<machine::TrapSite>> Decode(ByteSpan note) {
  ByteReader in(note);
  std::vector<machine::TrapSite> sites(in.Count());
  for (machine::TrapSite& site : sites) {
    site.offset = in.Varint();
    site.kind = static_cast<TrapKind>(in.U8());
    ByteSpan original = in.Blob();
    ByteSpan trap = in.Raw(original.size());
    if (!in.ok() || original.size() > site.original.size()) return std::nullopt;
    site.size = static_cast<uint8_t>(original.size());
    std::ranges::copy(original, site.original.begin());
    std::ranges::copy(trap, site.trap.begin());
  }
  if (!in.ok() || !in.AtEnd()) return std::nullopt;
  return sites;
}

}  // namespace

const std::vector<machine::TrapSite>& TrapPlanter::SitesOf(int fd, const struct stat& status) {
  auto word = [](auto value) { return static_cast<uint64_t>(value); };
  Stamp stamp{status.st_dev,
              status.st_ino,
              word(status.st_size),
              word(status.st_mtim.tv_sec),
              word(status.st_mtim.tv_nsec),
              word(status.st_ctim.tv_sec),
              word(status.st_ctim.tv_nsec)};
  auto [at, is_new] = files_.try_emplace(stamp);
  std::vector<machine::TrapSite>& sites = at->second;
  if (!is_new) return sites;
  CodeNotes* notes = status.st_size >= kWorthANote ? notes_ : nullptr;
  if (notes != nullptr) {
    auto note = notes->Find(status, kMatter);
    auto known = note ? Decode(*note) : std::nullopt;
    if (known) return sites = std::move(*known);
  }
  if (room_ == nullptr) room_ = std::make_unique_for_overwrite<uint8_t[]>(kPiece);
  sites = FindSites(fd, {room_.get(), kPiece});
  if (notes != nullptr) notes->Keep(status, kMatter, Encode(sites));
  return sites;
}

Result<std::vector<PlantedTrap>> TrapPlanter::Plant(const TaskMemory& memory,
                                                    const MappedCode& code, int fd,
                                                    const struct stat& status, TrapKinds kinds) {
  std::vector<PlantedTrap> planted;
  if (!kinds.any() || !S_ISREG(status.st_mode)) return planted;
  for (const machine::TrapSite& site : SitesOf(fd, status)) {
    if (!kinds.has(site.kind) || site.offset < code.offset ||
        site.offset - code.offset > code.size - site.size)
      continue;
    uint64_t address = code.address + (site.offset - code.offset);
    std::array<uint8_t, 4> found{};
    if (memory.ReadSome(address, found.data(), site.size) != site.size) continue;
    if (memcmp(found.data(), site.original.data(), site.size) != 0) continue;
    TRY(memory.ForceWrite(address, ByteSpan(site.trap).first(site.size)));
    planted.push_back({address, site});
  }
  return planted;
}

Result<std::vector<PlantedTrap>> TrapPlanter::PlantFrom(const TaskMemory& memory,
                                                        const PageRun& range, uint64_t entry,
                                                        TrapKinds kinds) {
  std::vector<PlantedTrap> planted;
  // The range's last instruction may end behind it.
  std::vector<uint8_t> code(range.end - range.start + machine::kMaxInstruction);
  code.resize(memory.ReadSome(range.start, code.data(), code.size()));
  for (const machine::TrapSite& site : machine::FindTrapSitesFrom(code, entry - range.start)) {
    uint64_t address = range.start + site.offset;
    if (!kinds.has(site.kind) || address >= range.end) continue;
    TRY(memory.ForceWrite(address, ByteSpan(site.trap).first(site.size)));
    planted.push_back({address, site});
  }
  return planted;
}

}  // namespace retake
