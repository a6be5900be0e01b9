// Makes vDSO images for tests: a small shared object with a dynamic section, a symbol table, one
// of the two hash tables and functions at wanted offsets.
#ifndef RETAKE_TESTS_UNIT_ARCH_VDSO_IMAGE_H_
#define RETAKE_TESTS_UNIT_ARCH_VDSO_IMAGE_H_

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "arch/arch.h"

namespace retake {

class VdsoImage {
 public:
  enum class Hash { kSysv, kGnu };

  static constexpr uint64_t kSize = 8192;
  // Functions begin here at the earliest.
  static constexpr uint64_t kText = 4096;

  // `base`: the address the image claims to be linked at.
  explicit VdsoImage(const ArchDescription& arch, Hash hash = Hash::kSysv, uint64_t base = 0)
      : arch_(arch), hash_(hash), base_(base), bytes_(kSize) {}

  VdsoImage& Add(const std::string& name, uint64_t offset, uint64_t size, uint8_t type = STT_FUNC) {
    Elf64_Sym symbol{};
    symbol.st_name = static_cast<uint32_t>(names_.size());
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, type);
    symbol.st_shndx = 1;
    symbol.st_value = base_ + offset;
    symbol.st_size = size;
    symbols_.push_back(symbol);
    names_ += name;
    names_ += '\0';
    return *this;
  }
  VdsoImage& Code(uint64_t offset, const std::vector<uint8_t>& code) {
    memcpy(bytes_.data() + offset, code.data(), code.size());
    return *this;
  }
  VdsoImage& Fill(uint64_t offset, uint64_t size, const std::vector<uint8_t>& unit) {
    for (uint64_t i = 0; i < size; ++i) bytes_[offset + i] = unit[i % unit.size()];
    return *this;
  }

  std::vector<uint8_t> Build() {
    Elf64_Ehdr header{};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = arch_.elf_machine;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    Put(0, header);
    Put(kSegments, Elf64_Phdr{PT_LOAD, PF_R | PF_X, 0, base_, base_, kSize, kSize, 4096});
    Put(kSegments + sizeof(Elf64_Phdr),
        Elf64_Phdr{PT_DYNAMIC, PF_R, kDynamic, base_ + kDynamic, base_ + kDynamic,
                   6 * sizeof(Elf64_Dyn), 6 * sizeof(Elf64_Dyn), 8});
    uint64_t at = kDynamic;
    auto entry = [&](Elf64_Sxword tag, uint64_t value) {
      Elf64_Dyn dynamic{};
      dynamic.d_tag = tag;
      dynamic.d_un.d_val = value;
      Put(at, dynamic);
      at += sizeof dynamic;
    };
    entry(DT_SYMTAB, base_ + kSymbols);
    entry(DT_STRTAB, base_ + kNames);
    entry(DT_STRSZ, names_.size());
    entry(hash_ == Hash::kSysv ? DT_HASH : DT_GNU_HASH, base_ + kHash);
    entry(DT_NULL, 0);
    for (size_t i = 0; i < symbols_.size(); ++i) {
      Put(kSymbols + i * sizeof(Elf64_Sym), symbols_[i]);
    }
    memcpy(bytes_.data() + kNames, names_.data(), names_.size());
    auto count = static_cast<uint32_t>(symbols_.size());
    if (hash_ == Hash::kSysv) {
      Put(kHash, uint32_t{1});
      Put(kHash + 4, count);
    } else {
      // One bucket that holds all but the null symbol; the chain's last entry has its low bit set.
      const uint32_t table[] = {1, 1, 1, 0, ~0u, ~0u, count > 1 ? 1u : 0u};
      memcpy(bytes_.data() + kHash, table, sizeof table);
      for (uint32_t i = 1; i < count; ++i) {
        Put(kHash + sizeof table + (i - 1) * 4, uint32_t{i + 1 == count ? 1u : 0u});
      }
    }
    return bytes_;
  }

  static constexpr uint64_t kSegments = sizeof(Elf64_Ehdr);
  static constexpr uint64_t kDynamic = 512;
  static constexpr uint64_t kHash = 768;
  static constexpr uint64_t kSymbols = 1024;
  static constexpr uint64_t kNames = 2048;

 private:
  template <typename T>
  void Put(uint64_t offset, const T& value) {
    memcpy(bytes_.data() + offset, &value, sizeof value);
  }

  const ArchDescription& arch_;
  Hash hash_;
  uint64_t base_;
  std::vector<uint8_t> bytes_;
  std::vector<Elf64_Sym> symbols_ = {Elf64_Sym{}};
  std::string names_ = std::string(1, '\0');
};

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_ARCH_VDSO_IMAGE_H_
