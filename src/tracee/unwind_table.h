// The beginning of .eh_frame_hdr, where an ELF file's functions are in order of their addresses
// (Linux Standard Base, "Exception Frames").
#ifndef RETAKE_TRACEE_UNWIND_TABLE_H_
#define RETAKE_TRACEE_UNWIND_TABLE_H_

#include <cstdint>

namespace retake {

// Version, three encodings, then the encoded values; behind it the table, if there is one.
struct UnwindTableHeader {
  uint8_t version;
  uint8_t frame_pointer_encoding;
  uint8_t count_encoding;
  uint8_t table_encoding;
  int32_t frame_pointer;
  uint32_t count;  // of the table's rows

  // Whether it is what every linker makes: with a sorted table whose rows are two words of 32 bits,
  // relative to this header.
  bool HasSortedTable() const {
    constexpr uint8_t kFourBytes = 3;             // DW_EH_PE_udata4; sdata4 is 8 more
    constexpr uint8_t kSortedTable = 0x30 | 0xb;  // DW_EH_PE_datarel | DW_EH_PE_sdata4
    return version == 1 && (frame_pointer_encoding & 7) == kFourBytes &&
           (count_encoding & 7) == kFourBytes && table_encoding == kSortedTable;
  }
};
static_assert(sizeof(UnwindTableHeader) == 12);

// A row: where a function begins, and its description in .eh_frame.
struct UnwindTableRow {
  int32_t function;
  int32_t description;
};

}  // namespace retake

#endif  // RETAKE_TRACEE_UNWIND_TABLE_H_
