// See the header. The gABI and the GNU hash table: https://refspecs.linuxbase.org/elf and
// glibc's elf/dl-lookup.c.
#include "arch/vdso_elf.h"

#include <elf.h>

#include <algorithm>
#include <optional>

namespace retake {
namespace {

// A vDSO exports a dozen symbols; a table that claims more than this is damaged.
constexpr uint64_t kMaxSymbols = 4096;

template <typename T>
std::optional<T> ReadAt(ByteSpan image, uint64_t offset) {
  if (offset > image.size() || sizeof(T) > image.size() - offset) return std::nullopt;
  T value;
  memcpy(&value, image.data() + offset, sizeof value);
  return value;
}

// Where the dynamic section says things are, as offsets into the image.
struct Dynamic {
  std::optional<uint64_t> symtab, strtab, hash, gnu_hash;
  uint64_t strsz = 0;
};

class Image {
 public:
  Image(ByteSpan bytes, const ArchDescription& arch) : bytes_(bytes), arch_(arch) {}

  Result<std::vector<VdsoFunction>> Functions() {
    TRY(ReadHeaders());
    uint64_t count = TRY(CountSymbols());
    std::vector<VdsoFunction> functions;
    for (uint64_t i = 0; i < count; ++i) {
      auto symbol = ReadAt<Elf64_Sym>(bytes_, *dynamic_.symtab + i * sizeof(Elf64_Sym));
      if (!symbol) return MakeError("the vDSO's symbol table ends outside its image");
      uint8_t type = ELF64_ST_TYPE(symbol->st_info);
      if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS) continue;
      if (type != STT_FUNC && type != STT_NOTYPE) continue;
      std::string_view name = TRY(Name(*symbol));
      uint64_t offset = symbol->st_value - base_;
      if (offset > bytes_.size() || symbol->st_size > bytes_.size() - offset) {
        return MakeError("the vDSO's symbol {} lies outside its image", name);
      }
      functions.push_back({name, offset, symbol->st_size, SysOf(name)});
    }
    return functions;
  }

 private:
  Status ReadHeaders() {
    auto header = ReadAt<Elf64_Ehdr>(bytes_, 0);
    if (!header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) {
      return MakeError("the vDSO is no 64-bit ELF image");
    }
    if (header->e_machine != arch_.elf_machine) {
      return MakeError("the vDSO is of ELF machine {}, not of {}", header->e_machine, arch_.name);
    }
    if (header->e_phentsize != sizeof(Elf64_Phdr)) {
      return MakeError("the vDSO's program headers have an unknown size");
    }
    std::optional<Elf64_Phdr> load, dynamic;
    for (int i = 0; i < header->e_phnum; ++i) {
      auto segment = ReadAt<Elf64_Phdr>(bytes_, header->e_phoff + i * sizeof(Elf64_Phdr));
      if (!segment) return MakeError("the vDSO's program headers end outside its image");
      if (segment->p_type == PT_LOAD && !load) load = segment;
      if (segment->p_type == PT_DYNAMIC && !dynamic) dynamic = segment;
    }
    if (!load || !dynamic) return MakeError("the vDSO has no loadable or no dynamic segment");
    // Old kernels link it at an address of its own; the image begins with the first segment.
    base_ = load->p_vaddr - load->p_offset;
    return ReadDynamic(dynamic->p_vaddr - base_, dynamic->p_memsz);
  }

  Status ReadDynamic(uint64_t offset, uint64_t size) {
    for (uint64_t at = 0; at < size; at += sizeof(Elf64_Dyn)) {
      auto entry = ReadAt<Elf64_Dyn>(bytes_, offset + at);
      if (!entry) return MakeError("the vDSO's dynamic section ends outside its image");
      if (entry->d_tag == DT_NULL) break;
      if (entry->d_tag == DT_SYMTAB) dynamic_.symtab = entry->d_un.d_ptr - base_;
      if (entry->d_tag == DT_STRTAB) dynamic_.strtab = entry->d_un.d_ptr - base_;
      if (entry->d_tag == DT_STRSZ) dynamic_.strsz = entry->d_un.d_val;
      if (entry->d_tag == DT_HASH) dynamic_.hash = entry->d_un.d_ptr - base_;
      if (entry->d_tag == DT_GNU_HASH) dynamic_.gnu_hash = entry->d_un.d_ptr - base_;
    }
    if (!dynamic_.symtab || !dynamic_.strtab) return MakeError("the vDSO has no dynamic symbols");
    if (*dynamic_.strtab > bytes_.size() || dynamic_.strsz > bytes_.size() - *dynamic_.strtab) {
      return MakeError("the vDSO's string table lies outside its image");
    }
    return {};
  }

  // The dynamic section doesn't say how many symbols there are; the hash tables do.
  Result<uint64_t> CountSymbols() {
    uint64_t count = 0;
    if (dynamic_.hash) {
      auto chains = ReadAt<uint32_t>(bytes_, *dynamic_.hash + sizeof(uint32_t));
      if (!chains) return MakeError("the vDSO's hash table lies outside its image");
      count = *chains;
    } else if (dynamic_.gnu_hash) {
      count = TRY(CountByGnuHash(*dynamic_.gnu_hash));
    } else {
      return MakeError("the vDSO has no hash table");
    }
    if (count > kMaxSymbols) return MakeError("the vDSO claims {} symbols", count);
    return count;
  }

  // Symbols in a chain are consecutive: the last is the end of the chain that begins last.
  Result<uint64_t> CountByGnuHash(uint64_t table) {
    struct Header {
      uint32_t buckets, first_symbol, bloom_words, bloom_shift;
    };
    auto header = ReadAt<Header>(bytes_, table);
    if (!header || header->buckets > kMaxSymbols || header->bloom_words > kMaxSymbols) {
      return MakeError("the vDSO's GNU hash table is damaged");
    }
    uint64_t buckets = table + sizeof(Header) + header->bloom_words * sizeof(uint64_t);
    uint64_t chains = buckets + header->buckets * sizeof(uint32_t);
    uint64_t last = 0;
    for (uint64_t i = 0; i < header->buckets; ++i) {
      auto symbol = ReadAt<uint32_t>(bytes_, buckets + i * sizeof(uint32_t));
      if (!symbol) return MakeError("the vDSO's GNU hash table lies outside its image");
      last = std::max<uint64_t>(last, *symbol);
    }
    if (last == 0) return uint64_t{header->first_symbol};
    if (last < header->first_symbol) return MakeError("the vDSO's GNU hash table is damaged");
    for (; last <= kMaxSymbols; ++last) {
      auto hash =
          ReadAt<uint32_t>(bytes_, chains + (last - header->first_symbol) * sizeof(uint32_t));
      if (!hash) return MakeError("the vDSO's GNU hash table lies outside its image");
      if ((*hash & 1) != 0) return last + 1;
    }
    return MakeError("the vDSO's GNU hash table has no end");
  }

  Result<std::string_view> Name(const Elf64_Sym& symbol) {
    if (symbol.st_name >= dynamic_.strsz) return MakeError("a vDSO symbol has no name");
    const char* begin =
        reinterpret_cast<const char*>(bytes_.data()) + *dynamic_.strtab + symbol.st_name;
    uint64_t room = dynamic_.strsz - symbol.st_name;
    const void* end = memchr(begin, 0, room);
    if (end == nullptr) return MakeError("a vDSO symbol's name has no end");
    return std::string_view(begin, static_cast<const char*>(end) - begin);
  }

  Sys SysOf(std::string_view name) const {
    for (const VdsoSymbol& symbol : arch_.vdso_symbols) {
      if (symbol.name == name) return symbol.sys;
    }
    return Sys::kNone;
  }

  ByteSpan bytes_;
  const ArchDescription& arch_;
  uint64_t base_ = 0;
  Dynamic dynamic_;
};

}  // namespace

Result<std::vector<VdsoFunction>> VdsoFunctions(ByteSpan elf, const ArchDescription& arch) {
  return Image(elf, arch).Functions();
}

Status CheckPatchFits(const std::vector<VdsoFunction>& all, const VdsoFunction& function,
                      uint64_t offset, uint64_t size) {
  if (offset < function.offset || size > function.size ||
      offset - function.offset > function.size - size) {
    return MakeError("the vDSO's {} has {} bytes: no room to patch it with {}", function.name,
                     function.size, size);
  }
  for (const VdsoFunction& other : all) {
    if (other.offset > function.offset && other.offset >= offset && other.offset < offset + size) {
      return MakeError("the vDSO's {} begins inside {}: no room to patch it", other.name,
                       function.name);
    }
  }
  return {};
}

Result<VdsoTargets> TargetsIn(ByteSpan elf, uint64_t address, const ArchDescription& arch) {
  VdsoTargets targets;
  for (const VdsoFunction& function : TRY(VdsoFunctions(elf, arch))) {
    if (function.sys != Sys::kNone && function.sys != Sys::getrandom)
      targets.emplace(function.name, address + function.offset);
  }
  return targets;
}

}  // namespace retake
