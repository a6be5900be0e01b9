// Registers as bytes: only the words that differ from a known register file, each as a small signed
// difference. Two successive stops of a task differ in a handful of words, so this is a fifth of
// what the words themselves would take, before compression.
#ifndef RETAKE_SNAPSHOT_REGISTER_CODEC_H_
#define RETAKE_SNAPSHOT_REGISTER_CODEC_H_

#include "arch/arch.h"
#include "base/bytes.h"

namespace retake {

// Appends `registers` as a difference from `base`. Only the words that `arch` uses are kept.
void EncodeRegisters(const Registers& registers, const Registers& base, const ArchDescription& arch,
                     ByteWriter& out);
// Reads them back. Words that `arch` doesn't use are zero. A mask with bits that name no word fails
// the reader.
void DecodeRegisters(ByteReader& in, const Registers& base, const ArchDescription& arch,
                     Registers& registers);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_REGISTER_CODEC_H_
