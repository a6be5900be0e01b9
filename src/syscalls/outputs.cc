// OutputRanges: what the kernel wrote, from a row's rules.
//
// Everything read here is the program's own memory, so hostile: counts and lengths are bounded
// before they are used, and a pointer that can't be read yields no range. Where a rule gives an
// upper bound that may end past mapped memory, it is cut to what can be read, so that whoever takes
// the ranges need not.
#include "syscalls/outputs.h"

#include <algorithm>
#include <cstring>

#include "syscalls/row.h"

namespace retake {
namespace {

constexpr uint64_t kMaxIovecs = 1024;  // UIO_MAXIOV
constexpr uint64_t kMaxName = 128;     // sizeof(struct sockaddr_storage)
constexpr uint64_t kMaxControl = 1u << 20;
constexpr uint64_t kPage = 4096;  // the smallest of any architecture
// A copy that failed (EFAULT) may have written a part; no more than this is looked at.
constexpr uint64_t kMaxFailed = 1u << 20;

// struct user_msghdr of a 64-bit kernel.
struct Msghdr {
  uint64_t name;
  uint32_t name_length;
  uint32_t padding;
  uint64_t iov;
  uint64_t iov_count;
  uint64_t control;
  uint64_t control_length;
  uint32_t flags;
  uint32_t padding2;
};
static_assert(sizeof(Msghdr) == 56);
constexpr uint64_t kMmsghdrSize = 64;  // a msghdr, a 32-bit length, padding

struct Iovec {
  uint64_t base;
  uint64_t length;
};

bool IsInterrupted(int64_t result) {
  return result == -EINTR || (result <= -512 && result >= -516);
}
bool IsError(int64_t result) { return result < 0 && result >= -4095; }

void Add(std::vector<Range>& out, uint64_t address, uint64_t size) {
  if (address == 0 || size == 0 || address + size < address) return;
  out.push_back({address, size});
}

// As much of [address, address+size) as can be read, from its start.
uint64_t Readable(const Call& call, uint64_t address, uint64_t size) {
  uint8_t byte;
  uint64_t done = 0;
  while (done < size) {
    if (!call.memory->Read(address + done, &byte, 1)) break;
    done += std::min(size - done, kPage - (address + done) % kPage);
  }
  return done;
}

void AddReadable(const Call& call, uint64_t address, uint64_t size, std::vector<Range>& out) {
  if (address == 0 || size == 0 || address + size < address) return;
  Add(out, address, Readable(call, address, size));
}

// The first `bytes` bytes of a vector.
void AddIovec(const Call& call, uint64_t iov, uint64_t count, uint64_t bytes,
              std::vector<Range>& out) {
  count = std::min(count, kMaxIovecs);
  for (uint64_t i = 0; i < count && bytes > 0; ++i) {
    Iovec entry;
    if (!call.memory->ReadValue(iov + i * sizeof entry, &entry)) return;
    uint64_t size = std::min(entry.length, bytes);
    Add(out, entry.base, size);
    bytes -= size;
  }
}

void AddReceived(const Call& call, uint64_t address, uint64_t bytes, std::vector<Range>& out) {
  Msghdr header;
  if (!call.memory->ReadValue(address, &header)) return;
  Add(out, address, sizeof header);
  // The kernel leaves the true length of the name, which may exceed the buffer.
  AddReadable(call, header.name, std::min<uint64_t>(header.name_length, kMaxName), out);
  AddReadable(call, header.control, std::min(header.control_length, kMaxControl), out);
  AddIovec(call, header.iov, header.iov_count, bytes, out);
}

void AddReceivedMany(const Call& call, uint64_t address, uint64_t count, std::vector<Range>& out) {
  count = std::min(count, kMaxIovecs);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t at = address + i * kMmsghdrSize;
    uint32_t length = 0;
    if (!call.memory->ReadValue(at + sizeof(Msghdr), &length)) return;
    AddReceived(call, at, length, out);
    Add(out, at + sizeof(Msghdr), sizeof length);
  }
}

// What the kernel may have written through an argument of a call that failed.
void AddFailed(const Arg& arg, const Call& call, int index, std::vector<Range>& out) {
  uint64_t address = call.args[index];
  if (arg.size.kind == Sized::kIovec) {
    uint64_t count = std::min(call.args[arg.size.arg], kMaxIovecs);
    for (uint64_t i = 0; i < count; ++i) {
      Iovec entry;
      if (!call.memory->ReadValue(address + i * sizeof entry, &entry)) return;
      AddReadable(call, entry.base, std::min(entry.length, kMaxFailed), out);
    }
    return;
  }
  AddReadable(call, address, std::min(InputSizeOf(arg, call, index), kMaxFailed), out);
}

void AddArgument(const Arg& arg, const Call& call, int index, std::vector<Range>& out) {
  uint64_t address = call.args[index];
  if (address == 0) return;
  switch (arg.size.kind) {
    case Sized::kNone:
      return;
    case Sized::kIovec:
      AddIovec(call, address, call.args[arg.size.arg], static_cast<uint64_t>(call.result), out);
      return;
    case Sized::kReceived:
      AddReceived(call, address, static_cast<uint64_t>(call.result), out);
      return;
    case Sized::kReceivedMany:
      AddReceivedMany(call, address,
                      std::min(static_cast<uint64_t>(call.result), call.args[arg.size.arg]), out);
      return;
    default:
      break;
  }
  uint64_t size = SizeOf(arg.size, call, index);
  if (arg.size.approximate) {
    AddReadable(call, address, size, out);
  } else {
    Add(out, address, size);
  }
}

bool Applies(When when, int64_t result) {
  switch (when) {
    case When::kAlways:
      return true;
    case When::kInterrupted:
      return !IsError(result) || IsInterrupted(result);
    case When::kSuccess:
      return !IsError(result);
  }
  return false;
}

// a*b+c, at most `limit`.
uint64_t Scaled(uint64_t count, uint64_t unit, uint64_t extra, uint64_t limit) {
  if (unit != 0 && count > limit / unit) return limit;
  return std::min(count * unit + extra, limit);
}

}  // namespace

uint64_t SizeOf(const SizeRule& rule, const Call& call, int index) {
  uint64_t unit = rule.abi != nullptr ? call.arch->abi.*rule.abi : rule.unit;
  uint64_t arg = rule.arg >= 0 ? call.args[rule.arg] : 0;
  switch (rule.kind) {
    case Sized::kNone:
    case Sized::kIovec:
    case Sized::kReceived:
    case Sized::kReceivedMany:
      return 0;
    case Sized::kFixed:
      return unit;
    case Sized::kResult: {
      if (call.result < 0) return 0;
      auto count = static_cast<uint64_t>(call.result);
      if (rule.arg >= 0) count = std::min(count, arg);
      return Scaled(count, unit, rule.extra, rule.limit);
    }
    case Sized::kArg:
      return Scaled(arg, unit, rule.extra, rule.limit);
    case Sized::kArgBits:
      return std::min<uint64_t>((arg / 64 + (arg % 64 != 0)) * 8, rule.limit);
    case Sized::kArgPages:
      return std::min<uint64_t>(arg / kPage + (arg % kPage != 0), rule.limit);
    case Sized::kLengthAt:
    case Sized::kLengthAtStart: {
      uint32_t length = 0;
      uint64_t at = rule.kind == Sized::kLengthAt ? arg : call.args[index];
      if (at == 0 || !call.memory->ReadValue(at, &length)) return 0;
      return Scaled(length, 1, rule.extra, rule.limit);
    }
    case Sized::kString: {
      std::string text;
      bool ended = call.memory->ReadString(call.args[index], &text, rule.limit);
      return text.size() + (ended ? 1 : 0);
    }
  }
  return 0;
}

uint64_t InputSizeOf(const Arg& arg, const Call& call, int index) {
  if (arg.size.kind == Sized::kResult) {
    SizeRule rule = arg.size;
    if (rule.arg < 0) return 0;
    rule.kind = Sized::kArg;
    return SizeOf(rule, call, index);
  }
  if (arg.size.kind == Sized::kReceived) return sizeof(Msghdr);
  return SizeOf(arg.size, call, index);
}

bool OutputRanges(const Row& row, const Call& call, std::vector<Range>& out) {
  if (OutputsUnknown(row, call)) return false;
  Arguments arguments = ArgumentsOf(row, call);
  for (int i = 0; i < arguments.count; ++i) {
    const Arg& arg = *arguments.args[i];
    if (!arg.IsOutput()) continue;
    if (!IsError(call.result)) {
      AddArgument(arg, call, i, out);
    } else if (call.result == -EFAULT || Applies(arg.when, call.result)) {
      // The pointer may be the very reason why it failed.
      AddFailed(arg, call, i, out);
    }
  }
  if (row.more_outputs != nullptr) row.more_outputs(call, out);
  return true;
}

namespace outputs {
namespace {

// linux/sched.h
constexpr uint64_t kClonePidfd = 0x1000;
constexpr uint64_t kCloneParentSettid = 0x00100000;
constexpr uint64_t kCloneChildSettid = 0x01000000;

// struct clone_args of clone3: the first 64 bytes, which every version has.
struct CloneArgs {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
};

}  // namespace

void Clone(const Call& call, std::vector<Range>& out) {
  uint64_t flags = call.args[0];
  if (call.result == 0) {
    uint64_t child_tid = call.args[call.arch->abi.clone_child_tid_arg];
    if ((flags & kCloneChildSettid) != 0) Add(out, child_tid, 4);
  } else if ((flags & (kCloneParentSettid | kClonePidfd)) != 0) {
    // Written before the last point where the call can fail. clone passes the pidfd in parent_tid.
    AddReadable(call, call.args[2], 4, out);
  }
}

void Clone3(const Call& call, std::vector<Range>& out) {
  CloneArgs args;
  if (!call.memory->ReadValue(call.args[0], &args)) return;
  if (call.result == 0) {
    if ((args.flags & kCloneChildSettid) != 0) Add(out, args.child_tid, 4);
    return;
  }
  if ((args.flags & kCloneParentSettid) != 0) AddReadable(call, args.parent_tid, 4, out);
  if ((args.flags & kClonePidfd) != 0) AddReadable(call, args.pidfd, 4, out);
}

void Getxattrat(const Call& call, std::vector<Range>& out) {
  struct {
    uint64_t value;
    uint32_t size;
    uint32_t flags;
  } args;  // struct xattr_args, linux/xattr.h
  if (call.result <= 0 || !call.memory->ReadValue(call.args[4], &args)) return;
  Add(out, args.value, std::min<uint64_t>(args.size, static_cast<uint64_t>(call.result)));
}

void ProcessVmWritev(const Call& call, std::vector<Range>& out) {
  if (call.result <= 0) return;
  // If the other process isn't the caller these are mere addresses here, and what they hold hasn't
  // changed.
  std::vector<Range> ranges;
  AddIovec(call, call.args[3], call.args[4], static_cast<uint64_t>(call.result), ranges);
  for (const Range& range : ranges) AddReadable(call, range.address, range.size, out);
}

}  // namespace outputs
}  // namespace retake
