// CodeFile: where the code of an ELF file is, and where its functions begin.
//
// Read from the file that a program maps, piece by piece (a mapping of it would be fatal if the
// file were cut short meanwhile). Nothing in it is believed: what doesn't fit the file isn't there.
// (ELF-64, little-endian: elf(5); unwind tables: Linux Standard Base, "Exception Frames".)
#ifndef RETAKE_TRACEE_CODE_FILE_H_
#define RETAKE_TRACEE_CODE_FILE_H_

#include <elf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "tracee/unwind_table.h"

namespace retake {

struct CodeSection {
  uint64_t offset = 0;   // into the file
  uint64_t address = 0;  // before loading
  uint64_t size = 0;     // bytes
};

class CodeFile {
 public:
  // `fd` is read at once and, by FunctionStart, later. A file that isn't one of this architecture's
  // programs or libraries has no code.
  explicit CodeFile(int fd);

  // By the section table: an executable segment may hold data, too. The executable segments where
  // there is no such table.
  const std::vector<CodeSection>& sections() const { return sections_; }
  // Code of a section from `at` on, as much as there is and fits; the number of bytes.
  size_t Read(const CodeSection& section, uint64_t at, std::span<uint8_t> room) const;

  // Where the function that holds an address begins, if the unwind tables say so.
  std::optional<uint64_t> FunctionStart(uint64_t address);

 private:
  bool ReadAt(uint64_t offset, void* buffer, size_t size) const;
  template <typename T>
  std::vector<T> ReadTable(uint64_t offset, size_t entry_size, size_t count) const;
  void ReadRows();
  // The file's bytes that are loaded there.
  std::optional<uint64_t> OffsetOf(uint64_t address) const;

  int fd_;
  std::vector<Elf64_Phdr> segments_;
  std::vector<CodeSection> sections_;
  uint64_t table_address_ = 0;        // of .eh_frame_hdr
  bool has_rows_ = false;             // they have been read, or can't be
  std::vector<UnwindTableRow> rows_;  // by function; relative to that
};

}  // namespace retake

#endif  // RETAKE_TRACEE_CODE_FILE_H_
