// Reads ELF files that nobody vouches for. See symbols.h.
#include "replay/symbols.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace retake {
namespace {

// Longer names are shown as they are. The demangler bounds its recursion, but not what a short name
// may expand to.
constexpr size_t kLongestMangled = 1024;
constexpr size_t kLongestShown = 4096;

// More than any real file has; a count behind them is damage.
constexpr size_t kMaxSegments = 1024;
constexpr size_t kMaxSections = 65536;

bool IsFunction(const Elf64_Sym& symbol) {
  const auto type = ELF64_ST_TYPE(symbol.st_info);
  return symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS &&
         (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE);
}

}  // namespace

template <typename T>
bool ElfImage::ReadAt(uint64_t offset, T* value) const {
  if (offset > bytes_.size() || bytes_.size() - offset < sizeof *value) return false;
  memcpy(value, bytes_.data() + offset, sizeof *value);
  return true;
}

ElfImage::ElfImage(ByteSpan bytes) : bytes_(bytes) {
  Elf64_Ehdr header{};
  if (!ReadAt(0, &header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) return;
  ReadSegments(header);
  ReadSections(header);
}

void ElfImage::ReadSegments(const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return;
  for (size_t i = 0; i < std::min<size_t>(header.e_phnum, kMaxSegments); ++i) {
    Elf64_Phdr segment{};
    // An offset near 2^64 would wrap to the file's beginning, which is damage but no danger.
    if (!ReadAt(header.e_phoff + i * sizeof segment, &segment)) return;
    if (segment.p_type == PT_LOAD) segments_.push_back(segment);
    if (segment.p_type == PT_GNU_EH_FRAME) unwind_table_ = {segment.p_vaddr, segment.p_memsz};
  }
}

void ElfImage::ReadSections(const Elf64_Ehdr& header) {
  if (header.e_shentsize != sizeof(Elf64_Shdr)) return;
  for (size_t i = 0; i < std::min<size_t>(header.e_shnum, kMaxSections); ++i) {
    Elf64_Shdr section{};
    if (!ReadAt(header.e_shoff + i * sizeof section, &section)) return;
    sections_.push_back(section);
  }
}

std::optional<uint64_t> ElfImage::CodeAddress(uint64_t file_offset) const {
  for (const Elf64_Phdr& segment : segments_) {
    if ((segment.p_flags & PF_X) == 0 || file_offset < segment.p_offset) continue;
    const uint64_t within = file_offset - segment.p_offset;
    if (within < segment.p_filesz) return segment.p_vaddr + within;
  }
  return std::nullopt;
}

std::string_view ElfImage::StringAt(const Elf64_Shdr& strings, uint64_t offset) const {
  if (strings.sh_type != SHT_STRTAB || strings.sh_offset > bytes_.size()) return {};
  const uint64_t size = std::min<uint64_t>(strings.sh_size, bytes_.size() - strings.sh_offset);
  if (offset >= size) return {};
  const auto* text = reinterpret_cast<const char*>(bytes_.data() + strings.sh_offset + offset);
  const void* end = memchr(text, '\0', size - offset);
  if (end == nullptr) return {};
  return {text, static_cast<size_t>(static_cast<const char*>(end) - text)};
}

std::optional<ElfSymbol> ElfImage::FindFunction(uint64_t address) const {
  std::optional<ElfSymbol> best;
  // One that says its size and holds the address wins over a mere label before it; then the
  // nearest; then, of aliases, the first global one.
  bool best_is_global = false;
  auto better = [&](const Elf64_Sym& symbol, bool global) {
    if (!best) return true;
    if ((symbol.st_size != 0) != (best->size != 0)) return symbol.st_size != 0;
    if (symbol.st_value != best->address) return symbol.st_value > best->address;
    return global && !best_is_global;
  };
  for (const Elf64_Shdr& table : sections_) {
    if (table.sh_type != SHT_SYMTAB && table.sh_type != SHT_DYNSYM) continue;
    if (table.sh_offset > bytes_.size() || table.sh_link >= sections_.size()) continue;
    const Elf64_Shdr& strings = sections_[table.sh_link];
    const uint64_t size = std::min<uint64_t>(table.sh_size, bytes_.size() - table.sh_offset);
    for (uint64_t at = 0; size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol{};
      if (!ReadAt(table.sh_offset + at, &symbol)) break;
      if (!IsFunction(symbol) || symbol.st_value > address) continue;
      const uint64_t within = address - symbol.st_value;
      if (symbol.st_size != 0 && within >= symbol.st_size) continue;
      if (symbol.st_size == 0) {
        // Without a size it reaches to the end of its section at most.
        if (symbol.st_shndx >= sections_.size()) continue;
        const Elf64_Shdr& section = sections_[symbol.st_shndx];
        if (address < section.sh_addr || address - section.sh_addr >= section.sh_size) continue;
      }
      const bool global = ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL;
      if (!better(symbol, global)) continue;
      const std::string_view name = StringAt(strings, symbol.st_name);
      // "$x" and its like mark code for disassemblers (aarch64 ELF ABI, mapping symbols).
      if (name.empty() || name[0] == '$') continue;
      best = ElfSymbol{name, symbol.st_value, symbol.st_size};
      best_is_global = global;
    }
  }
  return best;
}

std::string Demangle(std::string_view name) {
  if (!name.starts_with("_Z") || name.size() > kLongestMangled)
    return std::string(name.substr(0, kLongestShown));
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status), free);
  if (status != 0 || !text) return std::string(name);
  const std::string_view shown(text.get());
  return std::string(shown.substr(0, kLongestShown));
}

}  // namespace retake
