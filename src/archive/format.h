// The bytes of an archive's headers and trailer, shared by its writer and its reader. All integers
// are little-endian.
#ifndef RETAKE_ARCHIVE_FORMAT_H_
#define RETAKE_ARCHIVE_FORMAT_H_

#include <cstdint>
#include <string_view>

#include "archive/archive.h"

namespace retake::archive_format {

// The first 8 bytes. The control characters show a file that went through a text conversion, as in
// PNG's signature.
inline constexpr std::string_view kMagic = "RETAKE\x1a\n";
// The last 8 bytes of a sealed archive.
inline constexpr std::string_view kEndMagic = "\nRTKEND\x1a";

// File header: magic, u32 version, u8 architecture, u8 content, u16 zero, u64 checksum of these.
inline constexpr size_t kVersionOffset = 8;
inline constexpr size_t kArchitectureOffset = 12;
inline constexpr size_t kContentOffset = 13;
inline constexpr size_t kHeaderChecksumOffset = 16;

// Section header: u64 checksum of all that follows, payload included, seeded with the section's
// offset; u16 kind; u16 flags; u32 raw size; u32 stored size; u32 zero.
inline constexpr size_t kKindOffset = 8;
inline constexpr size_t kFlagsOffset = 10;
inline constexpr size_t kRawSizeOffset = 12;
inline constexpr size_t kStoredSizeOffset = 16;

// The trailer's payload ends with u64 (offset of the trailer's header) and kEndMagic.
inline constexpr size_t kEndBytes = 16;

uint64_t Checksum(ByteSpan bytes, uint64_t seed);
// Of the one with the other behind it.
uint64_t Checksum(ByteSpan first, ByteSpan second, uint64_t seed);

template <typename T>
void Put(uint8_t* at, T value) {
  for (size_t i = 0; i < sizeof value; i++) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

template <typename T>
T Get(const uint8_t* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof value; i++)
    value |= static_cast<T>(static_cast<T>(at[i]) << (8 * i));
  return value;
}

}  // namespace retake::archive_format

#endif  // RETAKE_ARCHIVE_FORMAT_H_
