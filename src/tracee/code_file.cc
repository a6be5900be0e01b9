#include "tracee/code_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "arch/arch.h"

namespace retake {
namespace {

// No table of functions is larger.
constexpr uint64_t kMostTableBytes = 64 << 20;

// A frame description in .eh_frame, as every compiler encodes it (DW_EH_PE_pcrel |
// DW_EH_PE_sdata4): `begin` is relative to itself.
struct FrameDescription {
  uint32_t length;
  uint32_t common;
  int32_t begin;
  uint32_t size;
};

}  // namespace

bool CodeFile::ReadAt(uint64_t offset, void* buffer, size_t size) const {
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(fd_, static_cast<char*>(buffer) + done, size - done,
                        static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

template <typename T>
std::vector<T> CodeFile::ReadTable(uint64_t offset, size_t entry_size, size_t count) const {
  std::vector<T> entries(entry_size == sizeof(T) ? count : 0);
  if (!ReadAt(offset, entries.data(), entries.size() * sizeof(T))) entries.clear();
  return entries;
}

CodeFile::CodeFile(int fd) : fd_(fd) {
  Elf64_Ehdr header{};
  if (!ReadAt(0, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) return;
  if (header.e_machine != HostArch().elf_machine) return;
  segments_ = ReadTable<Elf64_Phdr>(header.e_phoff, header.e_phentsize, header.e_phnum);
  auto sections = ReadTable<Elf64_Shdr>(header.e_shoff, header.e_shentsize, header.e_shnum);
  for (const Elf64_Shdr& section : sections) {
    if ((section.sh_flags & SHF_EXECINSTR) != 0 && section.sh_type == SHT_PROGBITS)
      sections_.push_back({section.sh_offset, section.sh_addr, section.sh_size});
  }
  for (const Elf64_Phdr& segment : segments_) {
    if (sections.empty() && segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0)
      sections_.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz});
  }
}

size_t CodeFile::Read(const CodeSection& section, uint64_t at, std::span<uint8_t> room) const {
  size_t size = std::min<uint64_t>(room.size(), section.size - std::min(at, section.size));
  return ReadAt(section.offset + at, room.data(), size) ? size : 0;
}

std::optional<uint64_t> CodeFile::OffsetOf(uint64_t address) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz)
      return segment.p_offset + (address - segment.p_vaddr);
  }
  return std::nullopt;
}

void CodeFile::ReadRows() {
  has_rows_ = true;
  auto table = std::find_if(segments_.begin(), segments_.end(), [](const Elf64_Phdr& segment) {
    return segment.p_type == PT_GNU_EH_FRAME;
  });
  UnwindTableHeader header{};
  if (table == segments_.end() || !ReadAt(table->p_offset, &header, sizeof header)) return;
  if (!header.HasSortedTable() || table->p_filesz < sizeof header ||
      table->p_filesz > kMostTableBytes)
    return;
  uint64_t count =
      std::min<uint64_t>(header.count, (table->p_filesz - sizeof header) / sizeof(UnwindTableRow));
  table_address_ = table->p_vaddr;
  rows_ = ReadTable<UnwindTableRow>(table->p_offset + sizeof header, sizeof(UnwindTableRow), count);
}

std::optional<uint64_t> CodeFile::FunctionStart(uint64_t address) {
  if (!has_rows_) ReadRows();
  auto wanted = static_cast<int64_t>(address - table_address_);
  auto next = std::upper_bound(
      rows_.begin(), rows_.end(), wanted,
      [](int64_t value, const UnwindTableRow& row) { return value < row.function; });
  if (next == rows_.begin()) return std::nullopt;
  const UnwindTableRow& row = *(next - 1);
  uint64_t start = table_address_ + static_cast<uint64_t>(int64_t{row.function});
  uint64_t entry = table_address_ + static_cast<uint64_t>(int64_t{row.description});
  auto offset = OffsetOf(entry);
  FrameDescription description{};
  if (!offset || !ReadAt(*offset, &description, sizeof description)) return std::nullopt;
  uint64_t begin =
      entry + offsetof(FrameDescription, begin) + static_cast<uint64_t>(int64_t{description.begin});
  if (begin != start || address - start >= description.size) return std::nullopt;
  return start;
}

}  // namespace retake
