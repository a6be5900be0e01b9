// InputPreviews: what of a call's inputs is worth keeping so that `dump` can show the call.
//
// As much as a listing prints, no more: strings whole, the first bytes of buffers, small
// structures. Everything is read from the program's memory, so it is bounded here whatever the
// program claims.
#include <algorithm>

#include "syscalls/outputs.h"
#include "syscalls/row.h"

namespace retake {
namespace {

constexpr uint64_t kStructPreview = 256;   // larger structures are shown as addresses
constexpr uint64_t kArrayPreview = 512;    // bytes of an array: 32 entries of 16
constexpr uint64_t kVectorPreview = 8;     // iovecs whose contents are kept
constexpr uint64_t kStringsPreview = 33;   // strings of argv: what is shown, and one to see more
constexpr uint64_t kStringLimit = 4096;    // bytes of a string
constexpr uint64_t kPointersLimit = 4096;  // pointers of envp that are counted

constexpr uint64_t kPage = 4096;  // the smallest of any architecture

void Keep(const Call& call, uint64_t address, uint64_t size, std::vector<Range>& out) {
  // Whole or not at all: half a structure can't be shown.
  uint8_t byte;
  if (address == 0 || size == 0 || address + size < address) return;
  uint64_t last = address + size - 1;
  if (!call.memory->Read(last, &byte, 1)) return;
  if (address / kPage != last / kPage && !call.memory->Read(address, &byte, 1)) return;
  out.push_back({address, size});
}

void KeepString(const Call& call, uint64_t address, std::vector<Range>& out) {
  std::string text;
  if (address == 0) return;
  bool ended = call.memory->ReadString(address, &text, kStringLimit);
  uint64_t size = text.size() + (ended ? 1 : 0);
  if (size > 0) out.push_back({address, size});
}

void KeepIovec(const Call& call, uint64_t iov, uint64_t count, bool contents,
               std::vector<Range>& out) {
  count = std::min(count, kArrayPreview / 16);
  Keep(call, iov, count * 16, out);
  if (!contents) return;
  for (uint64_t i = 0; i < std::min(count, kVectorPreview); ++i) {
    uint64_t entry[2];
    if (!call.memory->ReadValue(iov + i * sizeof entry, &entry)) return;
    Keep(call, entry[0], std::min(entry[1], kPreviewedBytes), out);
  }
}

// struct user_msghdr: name at 0, its length at 8, iov at 16, count at 24, control at 32, its length
// at 40.
void KeepMessage(const Call& call, uint64_t address, bool contents, std::vector<Range>& out) {
  uint64_t words[7];
  if (address == 0 || !call.memory->ReadValue(address, &words)) return;
  out.push_back({address, sizeof words});
  Keep(call, words[0], std::min<uint64_t>(words[1] & 0xffffffff, 128), out);
  KeepIovec(call, words[2], words[3], contents, out);
  Keep(call, words[4], std::min<uint64_t>(words[5], kStructPreview), out);
}

void KeepPointers(const Call& call, uint64_t address, uint64_t limit, bool strings,
                  std::vector<Range>& out) {
  uint64_t count = 0;
  while (address != 0 && count < limit) {
    uint64_t pointer = 0;
    if (!call.memory->ReadValue(address + count * 8, &pointer)) break;
    ++count;
    if (pointer == 0) break;
    if (strings) KeepString(call, pointer, out);
  }
  if (count > 0) out.push_back({address, count * 8});
}

void KeepArgument(const Arg& arg, const Call& call, int index, std::vector<Range>& out) {
  uint64_t address = call.args[index];
  // What was read into vectors is an output; only the vectors themselves are inputs.
  Sized kind = arg.size.kind;
  bool received = arg.IsOutput() && (kind == Sized::kIovec || kind == Sized::kReceived ||
                                     kind == Sized::kReceivedMany);
  bool contents = !received;
  switch (arg.type) {
    case Type::kPath:
    case Type::kString:
      KeepString(call, address, out);
      return;
    case Type::kBuffer:
    case Type::kSocketValue:
      Keep(call, address, std::min(InputSizeOf(arg, call, index), kPreviewedBytes), out);
      return;
    case Type::kStrings:
      KeepPointers(call, address, kStringsPreview, true, out);
      return;
    case Type::kEnvironment:
      KeepPointers(call, address, kPointersLimit, false, out);
      return;
    case Type::kIovec:
      KeepIovec(call, address, call.args[arg.size.arg], contents, out);
      return;
    case Type::kMsghdr:
      KeepMessage(call, address, contents, out);
      return;
    case Type::kMmsghdr:
      for (uint64_t i = 0; i < std::min<uint64_t>(call.args[2], kVectorPreview); ++i) {
        KeepMessage(call, address + i * 64, contents, out);
      }
      return;
    case Type::kSelectSigmask: {
      uint64_t words[2];
      Keep(call, address, sizeof words, out);
      if (address != 0 && call.memory->ReadValue(address, &words)) Keep(call, words[0], 8, out);
      return;
    }
    case Type::kPollfds:
    case Type::kFutexWaitv:
    case Type::kIovecAddresses:
    case Type::kIds:
    case Type::kSembufs:
      Keep(call, address, std::min(InputSizeOf(arg, call, index), kArrayPreview), out);
      return;
    case Type::kOpaque:
      return;
    default:
      Keep(call, address, std::min(InputSizeOf(arg, call, index), kStructPreview), out);
  }
}

}  // namespace

void InputPreviews(const Row& row, const Call& call, std::vector<Range>& out) {
  Arguments arguments = ArgumentsOf(row, call);
  for (int i = 0; i < arguments.count; ++i) {
    const Arg& arg = *arguments.args[i];
    bool pointer = arg.size.kind != Sized::kNone || arg.type == Type::kStrings ||
                   arg.type == Type::kEnvironment;
    if (pointer && arg.IsInput()) KeepArgument(arg, call, i, out);
  }
}

}  // namespace retake
