// RestoredProcess: the part that gives each task the rights that it had, and no more, and its other
// attributes.
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "snapshot/restored_process.h"
#include "snapshot/task_attributes.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr uint64_t kCapabilities = 64;

template <typename T>
ByteSpan BytesOf(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

Status RestoredProcess::Confine(const Task& task, const SeccompConfinement& want) {
  if (want.mode == 0) return {};
  Status suspended = ptracer::SuspendSeccomp(task.tid, kRestoreTraceOptions);
  if (!suspended.ok()) {
    return Error(suspended.error().code(),
                 "can't put it under its seccomp filters again: that takes CAP_SYS_ADMIN and a "
                 "caller that isn't confined itself",
                 task.tid);
  }
  for (const SeccompFilter& filter : want.filters) {
    sock_fprog header{static_cast<unsigned short>(filter.instructions.size() / sizeof(sock_filter)),
                      reinterpret_cast<sock_filter*>(scratch() + sizeof header)};
    std::vector<uint8_t> bytes(sizeof header + filter.instructions.size());
    memcpy(bytes.data(), &header, sizeof header);
    std::ranges::copy(filter.instructions, bytes.begin() + sizeof header);
    TRY(CallTask(task, bytes,
                 MakeCall(Sys::seccomp, SECCOMP_SET_MODE_FILTER, filter.flags, scratch()),
                 "a seccomp filter"));
  }
  if (want.mode == SECCOMP_MODE_STRICT)
    TRY(CallTask(task, {}, MakeCall(Sys::seccomp, SECCOMP_SET_MODE_STRICT),
                 "seccomp's strict mode"));
  return {};
}

Status RestoredProcess::SetCredentials(const Task& task, const Credentials& want) {
  if (want.uids.size() < 4 || want.gids.size() < 4)
    return Error(0, "the checkpoint doesn't say whose it is", task.tid);
  ProcStatus now = TRY(ProcStatus::ReadTask(pid_, task.tid));
  auto call = [&](ByteSpan bytes, const BatchCall& made, const char* what) {
    return CallTask(task, bytes, made, what);
  };

  // The bounding set only shrinks, and needs a capability that may go below.
  uint64_t bounding = now.Number("CapBnd", 16);
  for (uint64_t bit = 0; bit < kCapabilities; ++bit) {
    if ((bounding & ~want.bounding) >> bit & 1)
      TRY(call({}, MakeCall(Sys::prctl, PR_CAPBSET_DROP, bit), "its capability bounding set"));
  }
  auto differs = [&](const char* line, const std::vector<uint32_t>& ids) {
    if (material_.rights != Rights::kAll) return false;
    auto present = now.Numbers(line);
    return !std::equal(ids.begin(), ids.end(), present.begin(), present.end());
  };
  bool other_uid = differs("Uid", want.uids);
  bool other_gid = differs("Gid", want.gids);
  if (differs("Groups", want.groups))
    TRY(call(BytesOf(want.groups), MakeCall(Sys::setgroups, want.groups.size(), scratch()),
             "its groups"));
  if (other_gid) {
    TRY(call({}, MakeCall(Sys::setresgid, want.gids[0], want.gids[1], want.gids[2]), "its groups"));
    TRY(call({}, MakeCall(Sys::setfsgid, want.gids[3]), "its groups"));
  }
  if (other_uid) {
    if (want.permitted != 0) TRY(call({}, MakeCall(Sys::prctl, PR_SET_KEEPCAPS, 1), "its rights"));
    TRY(call({}, MakeCall(Sys::setresuid, want.uids[0], want.uids[1], want.uids[2]), "its user"));
    TRY(call({}, MakeCall(Sys::setfsuid, want.uids[3]), "its user"));
    if (want.permitted != 0) TRY(call({}, MakeCall(Sys::prctl, PR_SET_KEEPCAPS, 0), "its rights"));
    now = TRY(ProcStatus::ReadTask(pid_, task.tid));
  }
  bool same_capabilities = now.Number("CapPrm", 16) == want.permitted &&
                           now.Number("CapEff", 16) == want.effective &&
                           now.Number("CapInh", 16) == want.inheritable;
  if (!same_capabilities) {
    struct {
      __user_cap_header_struct header;
      __user_cap_data_struct data[2];
    } request{};
    request.header.version = _LINUX_CAPABILITY_VERSION_3;
    for (int half = 0; half < 2; ++half) {
      request.data[half].effective = static_cast<uint32_t>(want.effective >> (32 * half));
      request.data[half].permitted = static_cast<uint32_t>(want.permitted >> (32 * half));
      request.data[half].inheritable = static_cast<uint32_t>(want.inheritable >> (32 * half));
    }
    TRY(call({reinterpret_cast<const uint8_t*>(&request), sizeof request},
             MakeCall(Sys::capset, scratch(), scratch() + sizeof request.header),
             "its capabilities"));
  }
  for (uint64_t bit = 0; bit < kCapabilities; ++bit) {
    bool has = (now.Number("CapAmb", 16) >> bit & 1) != 0;
    bool wants = (want.ambient >> bit & 1) != 0;
    if (has == wants) continue;
    TRY(call({},
             MakeCall(Sys::prctl, PR_CAP_AMBIENT,
                      wants ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER, bit),
             "its ambient capabilities"));
  }
  uint64_t securebits = TRY(Remote(task).Call(MakeCall(Sys::prctl, PR_GET_SECUREBITS)));
  if (securebits != want.securebits)
    TRY(call({}, MakeCall(Sys::prctl, PR_SET_SECUREBITS, want.securebits), "its secure bits"));
  if (want.no_new_privileges)
    TRY(call({}, MakeCall(Sys::prctl, PR_SET_NO_NEW_PRIVS, 1), "no_new_privs"));
  return {};
}

// Each is asked for first: most are as they would be anyway, and some can't be set at all.
Status RestoredProcess::SetAttributes(const Task& task, const TaskState& state) {
  for (const KeptAttribute& kept : state.attributes) {
    const auto& all = AllTaskAttributes();
    auto known = std::ranges::find(all, kept.name, &TaskAttribute::name);
    if (known == all.end())
      return Error(0, fmt::format("this retake can't set {}", kept.name), task.tid);
    BatchCall ask = MakeCall(known->get);
    std::ranges::copy(known->get_arguments, ask.args);
    if (known->by_pointer >= 0) ask.args[known->by_pointer] = scratch();
    auto present = static_cast<int64_t>(TRY(Remote(task).Call(ask)));
    if (known->by_pointer >= 0 && present == 0) {
      int32_t answer = 0;
      if (!memory_.Read(scratch(), &answer, sizeof answer))
        return Error(0, "its memory can't be read", task.tid);
      present = answer;
    }
    if (present == kept.value) continue;
    BatchCall set = MakeCall(known->set);
    std::ranges::copy(known->set_arguments, set.args);
    set.args[known->set_index] = static_cast<uint64_t>(kept.value) & ~known->ignored_bits;
    TRY(CallTask(task, {}, set, known->name));
  }
  return {};
}

}  // namespace retake
