// The joined table: every row of rows_*.h at the index of its Sys. A Sys without a row, or with
// two, doesn't compile.
#include "syscalls/table.h"

#include <algorithm>

#include "syscalls/row.h"
#include "syscalls/rows_file.h"
#include "syscalls/rows_io.h"
#include "syscalls/rows_ipc.h"
#include "syscalls/rows_memory.h"
#include "syscalls/rows_network.h"
#include "syscalls/rows_process.h"
#include "syscalls/rows_system.h"
#include "syscalls/rows_time.h"

namespace retake {
namespace {

using Table = std::array<Row, kSysCount>;

template <size_t N>
consteval void Put(const Row (&rows)[N], Table& table) {
  for (const Row& row : rows) {
    Row& place = table[static_cast<size_t>(row.sys)];
    if (place.sys != Sys::kNone) throw "a syscall has two rows";
    place = row;
  }
}

consteval Table Join() {
  Table table;
  Put(kIoRows, table);
  Put(kFileRows, table);
  Put(kMemoryRows, table);
  Put(kProcessRows, table);
  Put(kNetworkRows, table);
  Put(kTimeRows, table);
  Put(kIpcRows, table);
  Put(kSystemRows, table);
  for (const Row& row : table) {
    if (row.sys == Sys::kNone) throw "a syscall of arch/syscall_numbers.inc has no row";
  }
  return table;
}

constexpr Table kTable = Join();

// The row of numbers that no row describes: never asked for a known Sys.
constexpr Row kNoRow = MakeRow(Sys::kNone).Deny(ENOSYS, "a number that this version doesn't know");

}  // namespace

const Row& RowOf(Sys sys) {
  auto index = static_cast<size_t>(sys);
  return index < kTable.size() ? kTable[index] : kNoRow;
}

Disposition RecordDisposition(const Row& row) { return row.record; }
int DenyErrno(const Row& row) { return row.deny_errno; }
MapEffect MapEffectOf(const Row& row) { return row.map; }
FdEffect FdEffectOf(const Row& row) { return row.fd; }
TaskEffect TaskEffectOf(const Row& row) { return row.task; }
WriteSource WriteSourceOf(const Row& row) { return row.write; }
int WriteFdArgument(const Row& row) { return row.write_fd; }
bool PreviewBeforeCall(const Row& row) { return row.preview_before; }

bool MayBlock(const Row& row, const Call& call) {
  if (row.sub == nullptr || !row.may_block) return row.may_block;
  const SubRow* request = RequestOf(row, call);
  return request == nullptr || request->may_block;
}

bool WritesFutexWord(const Call& call) {
  if (call.sys != Sys::futex) return false;
  const Row& row = RowOf(call.sys);
  const SubRow* request = RequestOf(row, call);
  if (request == nullptr || !request->may_block) return false;
  return std::any_of(request->args.begin(), request->args.begin() + request->arg_count,
                     [](const Arg& arg) { return arg.IsOutput(); });
}

MapEffect MapEffectOf(const Row& row, const Call& call) {
  if (row.sub == nullptr) return row.map;
  const SubRow* request = RequestOf(row, call);
  return request != nullptr ? request->map : MapEffect::kNone;
}

FdEffect FdEffectOf(const Row& row, const Call& call) {
  if (row.sub == nullptr) return row.fd;
  const SubRow* request = RequestOf(row, call);
  return request != nullptr ? request->fd : row.fd;
}

const SubRow* RequestOf(const Row& row, const Call& call) {
  if (row.sub == nullptr) return nullptr;
  auto value = static_cast<uint32_t>(call.args[row.sub->selector]) & row.sub->mask;
  for (const SubRow& request : row.sub->rows) {
    if ((value & request.mask) == request.value) return &request;
  }
  return nullptr;
}

Arguments ArgumentsOf(const Row& row, const Call& call) {
  Arguments arguments;
  const SubRow* request = RequestOf(row, call);
  int own = request != nullptr ? row.sub->first_arg : row.arg_count;
  for (int i = 0; i < own; ++i) arguments.args[arguments.count++] = &row.args[i];
  if (request == nullptr) return arguments;
  for (int i = 0; i < request->arg_count && arguments.count < 6; ++i) {
    arguments.args[arguments.count++] = &request->args[i];
  }
  return arguments;
}

bool OutputsUnknown(const Row& row, const Call& call) {
  if (row.outputs_unknown) return true;
  if (row.sub == nullptr) return false;
  const SubRow* request = RequestOf(row, call);
  return request != nullptr ? request->unknown : row.sub->unknown_by_default;
}

}  // namespace retake
