// The event codec. Each event is a length and a body; what follows the known fields of a body is
// skipped, so that later versions may append to it. A body starts with what every event has, then
// holds only those optional parts that its presence word names: most events are a call without
// memory, a few dozen bytes.
//
// The same presence bit always means the same part, and parts stand in the order of their bits.
#include "replay/event.h"

#include <array>

#include "snapshot/register_codec.h"

namespace retake {
namespace {

enum Part : uint64_t {
  kSequence = 1 << 0,  // only where it isn't the one after the last event's
  kData = 1 << 1,
  kWrites = 1 << 2,
  kPreviews = 1 << 3,
  kMapOps = 1 << 4,
  kVectorState = 1 << 5,
  kWritten = 1 << 6,
  kSignal = 1 << 7,
  kNewTask = 1 << 8,
  kPid = 1 << 9,
  kSharing = 1 << 10,
  kWaitStatus = 1 << 11,
  kImage = 1 << 12,
  kMemoryHash = 1 << 13,
  kEchoBytes = 1 << 14,
  kMark = 1 << 15,
  kWrittenHash = 1 << 16,
};

// A process has at most 65,530 mappings by default (vm.max_map_count); no event touches more than a
// few times that.
constexpr uint64_t kMaxMapOps = 1 << 20;

constexpr std::array<std::string_view, 16> kKindNames = {
    "?",         "exec",           "syscall",    "entered",
    "completed", "signal",         "fault",      "registers-changed",
    "timestamp", "cpuid",          "preemption", "task-new",
    "task-gone", "memory-changed", "first-run",  "first-run-end",
};
static_assert(kKindNames.size() == static_cast<size_t>(EventKind::kLast) + 1);

// Runs of Event::data at addresses. Offsets nearly always continue where the last run ended, and
// addresses lie near the last one's, so both are differences.
struct RunState {
  uint64_t address = 0;
  uint32_t offset = 0;
};

void EncodeRuns(const std::vector<MemoryWrite>& runs, RunState& state, ByteWriter& out) {
  out.Varint(runs.size());
  for (const MemoryWrite& run : runs) {
    out.Signed(static_cast<int64_t>(run.address - state.address));
    out.Signed(static_cast<int32_t>(run.offset - state.offset));
    out.Varint(run.size);
    state.address = run.address;
    state.offset = run.offset + run.size;
  }
}

void DecodeRuns(ByteReader& in, uint64_t data_size, RunState& state,
                std::vector<MemoryWrite>& runs) {
  uint64_t count = in.Count(3);
  if (!in.ok()) return;
  runs.reserve(count);
  for (uint64_t i = 0; i < count; i++) {
    MemoryWrite run;
    run.address = state.address + static_cast<uint64_t>(in.Signed());
    run.offset = state.offset + static_cast<uint32_t>(in.Signed());
    uint64_t size = in.Varint();
    if (!in.ok() || run.offset > data_size || size > data_size - run.offset ||
        run.address + size < run.address) {
      in.Fail();
      return;
    }
    run.size = static_cast<uint32_t>(size);
    runs.push_back(run);
    state.address = run.address;
    state.offset = run.offset + run.size;
  }
}

// Fields of a MapOp in the order of their presence bits; those that are zero are left out.
template <typename Op, typename Visit>
void VisitMapOp(Op& op, const Visit& visit) {
  visit(0, op.address);
  visit(1, op.size);
  visit(2, op.prot);
  visit(3, op.flags);
  visit(4, op.object);
  visit(5, op.offset);
  visit(6, op.new_address);
  visit(7, op.new_size);
  visit(8, op.extra);
}
constexpr int kMapOpFields = 9;

void EncodeMapOp(const MapOp& op, ByteWriter& out) {
  uint64_t present = 0;
  VisitMapOp(op, [&](int bit, uint64_t value) { present |= uint64_t{value != 0} << bit; });
  out.U8(static_cast<uint8_t>(op.kind));
  out.Varint(present);
  VisitMapOp(op, [&](int, uint64_t value) {
    if (value != 0) out.Varint(value);
  });
}

void DecodeMapOp(ByteReader& in, MapOp& op) {
  uint8_t kind = in.U8();
  uint64_t present = in.Varint();
  if (kind == 0 || kind > static_cast<uint8_t>(MapOp::Kind::kLast) ||
      present >> kMapOpFields != 0) {
    in.Fail();
    return;
  }
  op.kind = static_cast<MapOp::Kind>(kind);
  VisitMapOp(op, [&](int bit, auto& field) {
    if ((present >> bit & 1) == 0) return;
    uint64_t value = in.Varint();
    field = static_cast<std::remove_reference_t<decltype(field)>>(value);
    if (field != value) in.Fail();
  });
}

void DecodeBytes(ByteReader& in, std::vector<uint8_t>& out) {
  ByteSpan bytes = in.Blob();
  out.assign(bytes.begin(), bytes.end());
}

int32_t DecodeInt32(ByteReader& in) {
  int64_t value = in.Signed();
  if (value < INT32_MIN || value > INT32_MAX) in.Fail();
  return static_cast<int32_t>(value);
}

uint32_t DecodeUint32(ByteReader& in) {
  uint64_t value = in.Varint();
  if (value > UINT32_MAX) in.Fail();
  return static_cast<uint32_t>(value);
}

void DecodeWritten(ByteReader& in, Event& event) {
  uint8_t target = in.U8();
  if (target > static_cast<uint8_t>(EchoTarget::kTerminal)) in.Fail();
  event.echo = static_cast<EchoTarget>(target);
  uint64_t count = in.Count(2);
  if (!in.ok()) return;
  event.written.reserve(count);
  for (uint64_t i = 0; i < count && in.ok(); i++) {
    Event::Piece piece{};
    piece.address = in.Varint();
    piece.size = in.Varint();
    event.written.push_back(piece);
  }
}

// The register files that the next event of a task is likely to start from.
void Remember(const Event& event, EventCodecState& state) {
  if (event.kind == EventKind::kTaskNew) {
    state.Last(event.task) = event.before;
    state.Last(event.new_task) = event.after;
  } else {
    state.Last(event.task) = event.after;
  }
  state.next_sequence = event.sequence + 1;
}

uint64_t PartsOf(const Event& event, const EventCodecState& state) {
  uint64_t parts = 0;
  if (event.sequence != state.next_sequence) parts |= kSequence;
  if (!event.data.empty()) parts |= kData;
  if (!event.writes.empty()) parts |= kWrites;
  if (!event.previews.empty()) parts |= kPreviews;
  if (!event.map_ops.empty()) parts |= kMapOps;
  if (!event.vector_state.empty()) parts |= kVectorState;
  if (event.echo != EchoTarget::kNone || !event.written.empty()) parts |= kWritten;
  if (event.signal != 0) parts |= kSignal;
  if (event.new_task != 0) parts |= kNewTask;
  if (event.pid != 0) parts |= kPid;
  if (event.sharing != TaskSharing::kProcess) parts |= kSharing;
  if (event.wait_status != 0) parts |= kWaitStatus;
  if (event.image != 0) parts |= kImage;
  if (event.memory_hash != 0) parts |= kMemoryHash;
  if (!event.echo_bytes.empty()) parts |= kEchoBytes;
  if (!event.mark.empty()) parts |= kMark;
  if (event.written_hash != 0) parts |= kWrittenHash;
  return parts;
}

void EncodeBody(const Event& event, const ArchDescription& arch, EventCodecState& state,
                ByteWriter& out) {
  uint64_t parts = PartsOf(event, state);
  out.U8(static_cast<uint8_t>(event.kind));
  out.Varint(parts);
  out.Varint(event.task);
  EncodeRegisters(event.before, state.Last(event.task), arch, out);
  EncodeRegisters(event.after, event.before, arch, out);
  if (parts & kSequence) out.Varint(event.sequence);
  if (parts & kData) out.Blob(event.data);
  RunState runs;
  runs.address = event.before.words[arch.sp];
  if (parts & kWrites) EncodeRuns(event.writes, runs, out);
  if (parts & kPreviews) EncodeRuns(event.previews, runs, out);
  if (parts & kMapOps) {
    out.Varint(event.map_ops.size());
    for (const MapOp& op : event.map_ops) EncodeMapOp(op, out);
  }
  if (parts & kVectorState) out.Blob(event.vector_state);
  if (parts & kWritten) {
    out.U8(static_cast<uint8_t>(event.echo));
    out.Varint(event.written.size());
    for (const Event::Piece& piece : event.written) {
      out.Varint(piece.address);
      out.Varint(piece.size);
    }
  }
  if (parts & kSignal) out.Signed(event.signal);
  if (parts & kNewTask) out.Varint(event.new_task);
  if (parts & kPid) out.Signed(event.pid);
  if (parts & kSharing) out.U8(static_cast<uint8_t>(event.sharing));
  if (parts & kWaitStatus) out.Signed(event.wait_status);
  if (parts & kImage) out.Varint(event.image);
  if (parts & kMemoryHash) out.U64(event.memory_hash);
  if (parts & kEchoBytes) out.Blob(event.echo_bytes);
  if (parts & kMark) out.Blob(event.mark);
  if (parts & kWrittenHash) out.U64(event.written_hash);
}

void DecodeBody(ByteReader& in, const ArchDescription& arch, EventCodecState& state, Event& event) {
  uint8_t kind = in.U8();
  if (kind == 0 || kind > static_cast<uint8_t>(EventKind::kLast)) in.Fail();
  event.kind = static_cast<EventKind>(kind);
  uint64_t parts = in.Varint();
  event.task = DecodeUint32(in);
  if (!in.ok()) return;
  DecodeRegisters(in, state.Last(event.task), arch, event.before);
  DecodeRegisters(in, event.before, arch, event.after);
  event.sequence = parts & kSequence ? in.Varint() : state.next_sequence;
  if (parts & kData) DecodeBytes(in, event.data);
  if (event.data.size() > UINT32_MAX) in.Fail();
  RunState runs;
  runs.address = event.before.words[arch.sp];
  if (parts & kWrites) DecodeRuns(in, event.data.size(), runs, event.writes);
  if (parts & kPreviews) DecodeRuns(in, event.data.size(), runs, event.previews);
  if (parts & kMapOps) {
    uint64_t count = in.Count(2);
    if (count > kMaxMapOps) in.Fail();
    for (uint64_t i = 0; i < count && in.ok(); i++) DecodeMapOp(in, event.map_ops.emplace_back());
  }
  if (parts & kVectorState) DecodeBytes(in, event.vector_state);
  if (parts & kWritten) DecodeWritten(in, event);
  if (parts & kSignal) event.signal = DecodeInt32(in);
  if (parts & kNewTask) event.new_task = DecodeUint32(in);
  if (parts & kPid) event.pid = DecodeInt32(in);
  if (parts & kSharing) {
    uint8_t sharing = in.U8();
    if (sharing < static_cast<uint8_t>(TaskSharing::kProcess) ||
        sharing > static_cast<uint8_t>(TaskSharing::kThread)) {
      in.Fail();
    }
    event.sharing = static_cast<TaskSharing>(sharing);
  }
  if (parts & kWaitStatus) event.wait_status = DecodeInt32(in);
  if (parts & kImage) event.image = DecodeUint32(in);
  if (parts & kMemoryHash) event.memory_hash = in.U64();
  if (parts & kEchoBytes) DecodeBytes(in, event.echo_bytes);
  if (parts & kMark) DecodeBytes(in, event.mark);
  if (parts & kWrittenHash) event.written_hash = in.U64();
}

std::span<uint8_t> AddRun(std::vector<MemoryWrite>& runs, std::vector<uint8_t>& data,
                          uint64_t address, size_t size) {
  size_t offset = data.size();
  data.resize(offset + size);
  runs.push_back({address, static_cast<uint32_t>(offset), static_cast<uint32_t>(size)});
  return std::span(data).subspan(offset, size);
}

}  // namespace

std::string_view EventKindName(EventKind kind) {
  size_t index = static_cast<size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : kKindNames[0];
}

std::span<uint8_t> Event::AddWrite(uint64_t address, size_t size) {
  return AddRun(writes, data, address, size);
}

std::span<uint8_t> Event::AddPreview(uint64_t address, size_t size) {
  return AddRun(previews, data, address, size);
}

void Event::Clear() {
  kind = EventKind::kSyscall;
  task = 0;
  sequence = 0;
  before = {};
  after = {};
  writes.clear();
  previews.clear();
  map_ops.clear();
  vector_state.clear();
  mark.clear();
  data.clear();
  echo = EchoTarget::kNone;
  written.clear();
  written_hash = 0;
  echo_bytes.clear();
  signal = 0;
  new_task = 0;
  pid = 0;
  sharing = TaskSharing::kProcess;
  wait_status = 0;
  image = 0;
  memory_hash = 0;
}

void EncodeEvent(const Event& event, const ArchDescription& arch, EventCodecState& state,
                 ByteWriter& out) {
  state.scratch.Clear();
  EncodeBody(event, arch, state, state.scratch);
  out.Blob(state.scratch.bytes());
  Remember(event, state);
}

Status DecodeEvent(ByteReader& in, const ArchDescription& arch, EventCodecState& state,
                   Event& event) {
  event.Clear();
  ByteReader body(in.Blob());
  if (in.ok()) {
    DecodeBody(body, arch, state, event);
    if (!body.ok()) in.Fail();
  }
  if (!in.ok()) {
    event.Clear();
    return in.status("event");
  }
  Remember(event, state);
  return {};
}

}  // namespace retake
