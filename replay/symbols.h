// ElfImage: what a stack trace asks of an ELF file: names of addresses, where the unwind tables
// are.
//
// The bytes come from a trace, or from the program's memory, never from the file that is on the
// disk now, and nothing in them is believed: every offset, size and count is bounded by the bytes
// there are. An object that isn't ELF, or is damaged, has no symbols; that is no error. (ELF-64,
// little-endian: elf(5).)
#ifndef RETAKE_REPLAY_SYMBOLS_H_
#define RETAKE_REPLAY_SYMBOLS_H_

#include <elf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace retake {

struct ElfSymbol {
  std::string_view name;  // into the image, mangled
  uint64_t address;       // as the file says it, before it is loaded anywhere
  uint64_t size;          // bytes; 0 where the file doesn't say
};

class ElfImage {
 public:
  ElfImage() = default;
  // Keeps a view: the bytes outlive it.
  explicit ElfImage(ByteSpan bytes);

  bool valid() const { return !segments_.empty(); }

  // The address, before loading, of the code at a file offset; nullopt if no executable segment
  // holds it.
  std::optional<uint64_t> CodeAddress(uint64_t file_offset) const;
  // The function that holds the address, by .symtab or .dynsym.
  std::optional<ElfSymbol> FindFunction(uint64_t address) const;

  struct Table {
    uint64_t address;  // before loading
    uint64_t size;     // bytes
  };
  // .eh_frame_hdr (PT_GNU_EH_FRAME).
  std::optional<Table> UnwindTable() const { return unwind_table_; }

 private:
  template <typename T>
  bool ReadAt(uint64_t offset, T* value) const;
  std::string_view StringAt(const Elf64_Shdr& strings, uint64_t offset) const;
  void ReadSegments(const Elf64_Ehdr& header);
  void ReadSections(const Elf64_Ehdr& header);

  ByteSpan bytes_;
  std::vector<Elf64_Phdr> segments_;  // PT_LOAD
  std::vector<Elf64_Shdr> sections_;
  std::optional<Table> unwind_table_;
};

// "retake::Foo(int)" of "_ZN6retake3FooEi"; the name itself where it isn't mangled.
std::string Demangle(std::string_view name);

}  // namespace retake

#endif  // RETAKE_REPLAY_SYMBOLS_H_
