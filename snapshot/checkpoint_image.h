// CheckpointImage: all that a checkpoint holds of a tree of processes, but for the contents of
// their memory, which are pages of the same file (snapshot/checkpoint_file.h).
//
// Structures are kept as fields (snapshot/fields.h): they grow by appending. Times are nanoseconds,
// addresses and sizes bytes, signals bit n - 1 of a mask.
#ifndef RETAKE_SNAPSHOT_CHECKPOINT_IMAGE_H_
#define RETAKE_SNAPSHOT_CHECKPOINT_IMAGE_H_

#include <sys/mman.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "snapshot/fields.h"
#include "snapshot/loss.h"
#include "snapshot/open_file.h"
#include "snapshot/page_range.h"
#include "snapshot/seccomp_filters.h"

namespace retake {

// An alternate signal stack, as sigaltstack(2) tells.
struct AlternateStack {
  uint64_t address = 0;
  int32_t flags = 0;
  uint64_t size = 0;
};

template <typename V>
void Visit(V& visit, AlternateStack& stack) {
  visit("address", stack.address);
  visit("flags", stack.flags);
  visit("size", stack.size);
}

// The registration of restartable sequences (PTRACE_GET_RSEQ_CONFIGURATION).
struct RseqRegistration {
  uint64_t address = 0;
  uint32_t size = 0;
  uint32_t signature = 0;
  uint32_t flags = 0;
};

template <typename V>
void Visit(V& visit, RseqRegistration& rseq) {
  visit("address", rseq.address);
  visit("size", rseq.size);
  visit("signature", rseq.signature);
  visit("flags", rseq.flags);
}

// How a task is scheduled: as struct sched_attr has it, and ioprio_get.
struct Scheduling {
  uint32_t policy = 0;  // SCHED_*
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
  int32_t io_priority = 0;
  std::vector<uint8_t> affinity;  // the CPU mask
};

template <typename V>
void Visit(V& visit, Scheduling& scheduling) {
  visit("policy", scheduling.policy);
  visit("flags", scheduling.flags);
  visit("nice", scheduling.nice);
  visit("priority", scheduling.priority);
  visit("runtime", scheduling.runtime);
  visit("deadline", scheduling.deadline);
  visit("period", scheduling.period);
  visit("io_priority", scheduling.io_priority);
  visit("affinity", scheduling.affinity);
}

// A signal that waits to be delivered: the kernel's siginfo_t, whole.
struct PendingSignal {
  std::vector<uint8_t> info;
};

template <typename V>
void Visit(V& visit, PendingSignal& signal) {
  visit("info", signal.info);
}

struct Credentials {
  std::vector<uint32_t> uids, gids;  // real, effective, saved, file system
  std::vector<uint32_t> groups;
  uint64_t inheritable = 0, permitted = 0, effective = 0, bounding = 0, ambient = 0;
  uint32_t securebits = 0;
  bool no_new_privileges = false;
};

template <typename V>
void Visit(V& visit, Credentials& credentials) {
  visit("uids", credentials.uids);
  visit("gids", credentials.gids);
  visit("groups", credentials.groups);
  visit("inheritable", credentials.inheritable);
  visit("permitted", credentials.permitted);
  visit("effective", credentials.effective);
  visit("bounding", credentials.bounding);
  visit("ambient", credentials.ambient);
  visit("securebits", credentials.securebits);
  visit("no_new_privileges", credentials.no_new_privileges);
}

// See snapshot/task_attributes.h.
struct KeptAttribute {
  std::string name;
  int64_t value = 0;
};

template <typename V>
void Visit(V& visit, KeptAttribute& attribute) {
  visit("name", attribute.name);
  visit("value", attribute.value);
}

// A regset that is kept as it is (arch/kept_regsets.h).
struct RegsetState {
  uint32_t type = 0;
  std::vector<uint8_t> bytes;
};

template <typename V>
void Visit(V& visit, RegsetState& regset) {
  visit("type", regset.type);
  visit("bytes", regset.bytes);
}

// The nodes that a mask of a NUMA policy has room for.
inline constexpr uint64_t kMaxNodes = 1024;

struct TaskState {
  int32_t tid = 0;
  std::string name;
  Registers registers;  // what it goes on with: an interrupted call is made again
  std::vector<uint8_t> vector_state;
  int64_t call = -1;  // the number of the call that was interrupted; -1: none
  // The call has a time limit, and begins anew with the whole of it.
  bool limit_restarts = false;
  uint64_t signal_mask = 0;
  std::vector<PendingSignal> pending;
  AlternateStack alternate_stack;
  uint64_t clear_tid = 0;  // set_tid_address
  uint64_t robust_list = 0, robust_list_size = 0;
  RseqRegistration rseq;
  int32_t parent_death_signal = 0;
  Scheduling scheduling;
  Credentials credentials;
  uint32_t memory_policy = 0;         // get_mempolicy(2): MPOL_*
  std::vector<uint8_t> memory_nodes;  // its mask of nodes
  std::vector<KeptAttribute> attributes;
  std::vector<RegsetState> regsets;
  SeccompConfinement seccomp;
};

template <typename V>
void Visit(V& visit, TaskState& task) {
  visit("tid", task.tid);
  visit("name", task.name);
  visit("registers", task.registers);
  visit("vector_state", task.vector_state);
  visit("call", task.call);
  visit("limit_restarts", task.limit_restarts);
  visit("signal_mask", task.signal_mask);
  visit("pending", task.pending);
  visit("alternate_stack", task.alternate_stack);
  visit("clear_tid", task.clear_tid);
  visit("robust_list", task.robust_list);
  visit("robust_list_size", task.robust_list_size);
  visit("rseq", task.rseq);
  visit("parent_death_signal", task.parent_death_signal);
  visit("scheduling", task.scheduling);
  visit("credentials", task.credentials);
  visit("memory_policy", task.memory_policy);
  visit("memory_nodes", task.memory_nodes);
  visit("attributes", task.attributes);
  visit("regsets", task.regsets);
  visit("seccomp", task.seccomp);
}

struct SignalAction {
  int32_t signal = 0;
  std::vector<uint8_t> action;  // the kernel's struct sigaction
};

template <typename V>
void Visit(V& visit, SignalAction& action) {
  visit("signal", action.signal);
  visit("action", action.action);
}

// setitimer(2).
struct IntervalTimer {
  int32_t which = 0;
  int64_t interval = 0;
  int64_t remaining = 0;
};

template <typename V>
void Visit(V& visit, IntervalTimer& timer) {
  visit("which", timer.which);
  visit("interval", timer.interval);
  visit("remaining", timer.remaining);
}

// timer_create(2).
struct PosixTimer {
  int32_t id = 0;
  int32_t clock = 0;
  int32_t notify = 0;  // SIGEV_SIGNAL, SIGEV_NONE or SIGEV_THREAD_ID
  int32_t signal = 0;
  int32_t tid = 0;     // SIGEV_THREAD_ID
  uint64_t value = 0;  // sigev_value
  int64_t interval = 0;
  int64_t remaining = 0;  // 0: not armed
};

template <typename V>
void Visit(V& visit, PosixTimer& timer) {
  visit("id", timer.id);
  visit("clock", timer.clock);
  visit("notify", timer.notify);
  visit("signal", timer.signal);
  visit("tid", timer.tid);
  visit("value", timer.value);
  visit("interval", timer.interval);
  visit("remaining", timer.remaining);
}

struct ResourceLimit {
  uint64_t soft = 0, hard = 0;
};

template <typename V>
void Visit(V& visit, ResourceLimit& limit) {
  visit("soft", limit.soft);
  visit("hard", limit.hard);
}

// The kernel's own record of where a program's parts are (struct prctl_mm_map).
struct ProgramLayout {
  uint64_t start_code = 0, end_code = 0, start_data = 0, end_data = 0;
  uint64_t start_brk = 0, brk = 0, start_stack = 0;
  uint64_t arg_start = 0, arg_end = 0, env_start = 0, env_end = 0;
  std::vector<uint8_t> auxv;
};

template <typename V>
void Visit(V& visit, ProgramLayout& layout) {
  visit("start_code", layout.start_code);
  visit("end_code", layout.end_code);
  visit("start_data", layout.start_data);
  visit("end_data", layout.end_data);
  visit("start_brk", layout.start_brk);
  visit("brk", layout.brk);
  visit("start_stack", layout.start_stack);
  visit("arg_start", layout.arg_start);
  visit("arg_end", layout.arg_end);
  visit("env_start", layout.env_start);
  visit("env_end", layout.env_end);
  visit("auxv", layout.auxv);
}

// What a stretch of a process's address space shows.
enum class MemoryKind : uint8_t {
  kAnonymous = 0,  // private, zero pages but for those kept
  kFile,           // a file, private: pages written to are kept
  kSharedFile,     // a file, shared: all that it shows is in the file
  kSharedObject,   // memory shared between processes, and with descriptors (memfd): an object
  kKernel,         // the vDSO and its data
};

// As many protection keys as any architecture has (x86_64; aarch64 has half of them).
inline constexpr uint64_t kProtectionKeys = 16;

struct MemoryRegion {
  uint64_t start = 0, size = 0;
  uint32_t prot = 0;  // PROT_*
  MemoryKind kind = MemoryKind::kAnonymous;
  uint64_t flags = 0;           // RegionFlag
  uint32_t object = 0;          // kFile, kSharedFile: of files; kSharedObject: of shared objects
  uint64_t offset = 0;          // into it
  uint32_t protection_key = 0;  // pkeys(7); 0: none
  uint64_t huge_page_size = 0;  // bytes; of hugetlbfs
  std::string name;

  // What can be executed only has a key of the kernel's, that nobody can ask for.
  bool has_kernels_key() const { return protection_key != 0 && prot == PROT_EXEC; }
};

// What else /proc/PID/smaps tells of a mapping (VmFlags).
enum RegionFlag : uint64_t {
  kGrowsDown = 1 << 0,       // gd
  kLocked = 1 << 1,          // lo
  kNoReserve = 1 << 2,       // nr
  kHugePages = 1 << 3,       // hg
  kNoHugePages = 1 << 4,     // nh
  kDontFork = 1 << 5,        // dc
  kWipeOnFork = 1 << 6,      // wf
  kDontDump = 1 << 7,        // dd
  kMergeable = 1 << 8,       // mg
  kSequential = 1 << 9,      // sr
  kRandom = 1 << 10,         // rr
  kHugeTlb = 1 << 11,        // ht
  kSealed = 1 << 12,         // sl
  kDroppable = 1 << 13,      // dp
  kUserfaultfd = 1 << 14,    // um, uw, ui
  kInputOutput = 1 << 15,    // io, pf: a device's
  kLockedOnFault = 1 << 17,  // lf: with lo
  // Not of smaps: what the mapping shows isn't to be had again, so all of it is among the pages.
  kWholeContents = 1 << 16,
};

template <typename V>
void Visit(V& visit, MemoryRegion& region) {
  visit("start", region.start);
  visit("size", region.size);
  visit("prot", region.prot);
  visit("kind", region.kind);
  visit("flags", region.flags);
  visit("object", region.object);
  visit("offset", region.offset);
  visit("protection_key", region.protection_key);
  visit("huge_page_size", region.huge_page_size);
  visit("name", region.name);
}

// Memory that several mappings can show.
struct SharedObject {
  uint64_t device = 0, inode = 0;  // while it was running: its identity
  uint64_t size = 0;
  std::vector<PageRange> pages;
  std::string name;
  uint32_t mode = 0600;
  bool is_memory = true;        // else a file of a file system
  uint32_t seals = 0;           // F_SEAL_*
  uint64_t huge_page_size = 0;  // bytes; of hugetlbfs
};

template <typename V>
void Visit(V& visit, SharedObject& object) {
  visit("device", object.device);
  visit("inode", object.inode);
  visit("size", object.size);
  visit("pages", object.pages);
  visit("name", object.name);
  visit("mode", object.mode);
  visit("is_memory", object.is_memory);
  visit("seals", object.seals);
  visit("huge_page_size", object.huge_page_size);
}

enum class ProcessCondition : uint8_t { kRunning = 0, kStopped, kZombie };

// Pages of a process that any access faults at (MADV_GUARD_INSTALL).
struct GuardRange {
  uint64_t start = 0, size = 0;
};

template <typename V>
void Visit(V& visit, GuardRange& guard) {
  visit("start", guard.start);
  visit("size", guard.size);
}

// The NUMA policy of a stretch of private memory, mbind(2).
struct MemoryPolicy {
  uint64_t start = 0, size = 0;
  uint32_t mode = 0;           // MPOL_*
  std::vector<uint8_t> nodes;  // its mask
};

template <typename V>
void Visit(V& visit, MemoryPolicy& policy) {
  visit("start", policy.start);
  visit("size", policy.size);
  visit("mode", policy.mode);
  visit("nodes", policy.nodes);
}

// How the pages of a process were taken (snapshot/capture_memory.h).
enum class PagesTaken : uint8_t { kSaved = 0, kFromCopy, kHeld };

// MEMBARRIER_CMD_REGISTER_*: global expedited, private expedited, that with sync_core, with rseq.
inline constexpr uint64_t kAllMembarriers = 1 << 2 | 1 << 4 | 1 << 6 | 1 << 8;

struct ProcessState {
  int32_t pid = 0;
  uint32_t parent = 0;  // index of a process before this one; the first's is its own
  int32_t parent_pid = 0;
  int32_t group = 0, session = 0;
  ProcessCondition condition = ProcessCondition::kRunning;
  int32_t stop_signal = 0;  // kStopped
  int32_t wait_status = 0;  // kZombie, or a leader that has exited
  int32_t exit_signal = 0;  // what its parent is told its end with
  std::string name;
  std::vector<std::string> arguments;
  NamedFile executable;
  std::string root, directory;
  uint32_t umask = 0;
  uint64_t personality = 0;
  Credentials credentials;            // kZombie; else each task has its own
  std::vector<ResourceLimit> limits;  // by RLIMIT_*
  std::vector<SignalAction> actions;  // those that aren't the default
  std::vector<PendingSignal> pending;
  std::vector<IntervalTimer> timers;
  uint32_t dumpable = 1;
  bool subreaper = false;
  bool no_huge_pages = false;     // PR_SET_THP_DISABLE
  uint64_t execution_denied = 0;  // PR_GET_MDWE
  // Commands of membarrier(2) that it has registered for; all, where the kernel doesn't tell.
  uint64_t membarrier = kAllMembarriers;
  uint64_t protection_keys = 0;  // that it has allocated: bit n, key n
  uint64_t core_filter = 0;
  int32_t oom_score_adjustment = 0;
  ProgramLayout layout;
  std::vector<MemoryRegion> memory;  // ascending
  std::vector<PageRange> pages;      // ascending
  DescriptorTable descriptors;
  std::vector<TaskState> tasks;  // the leader first, unless it has exited
  bool leader_exited = false;    // before the others
  std::vector<GuardRange> guards;
  PagesTaken pages_taken = PagesTaken::kSaved;
  // The index of the pseudoterminal that is its controlling terminal; -1: it has none, ...
  int32_t controlling_terminal = -1;
  int32_t foreground_group = 0;  // ... and the group in front there
  std::vector<PosixTimer> posix_timers;
  bool merges_memory = false;  // PR_SET_MEMORY_MERGE
  // MCL_FUTURE, with MCL_ONFAULT: what mlockall(2) does with memory to come.
  uint32_t locks_future = 0;
  std::vector<MemoryPolicy> policies;
};

template <typename V>
void Visit(V& visit, ProcessState& process) {
  visit("pid", process.pid);
  visit("parent", process.parent);
  visit("parent_pid", process.parent_pid);
  visit("group", process.group);
  visit("session", process.session);
  visit("condition", process.condition);
  visit("stop_signal", process.stop_signal);
  visit("wait_status", process.wait_status);
  visit("exit_signal", process.exit_signal);
  visit("name", process.name);
  visit("arguments", process.arguments);
  visit("executable", process.executable);
  visit("root", process.root);
  visit("directory", process.directory);
  visit("umask", process.umask);
  visit("personality", process.personality);
  visit("credentials", process.credentials);
  visit("limits", process.limits);
  visit("actions", process.actions);
  visit("pending", process.pending);
  visit("timers", process.timers);
  visit("dumpable", process.dumpable);
  visit("subreaper", process.subreaper);
  visit("no_huge_pages", process.no_huge_pages);
  visit("execution_denied", process.execution_denied);
  visit("core_filter", process.core_filter);
  visit("oom_score_adjustment", process.oom_score_adjustment);
  visit("layout", process.layout);
  visit("memory", process.memory);
  visit("pages", process.pages);
  visit("descriptors", process.descriptors);
  visit("tasks", process.tasks);
  visit("leader_exited", process.leader_exited);
  visit("membarrier", process.membarrier);
  visit("protection_keys", process.protection_keys);
  visit("guards", process.guards);
  visit("pages_taken", process.pages_taken);
  visit("controlling_terminal", process.controlling_terminal);
  visit("foreground_group", process.foreground_group);
  visit("posix_timers", process.posix_timers);
  visit("merges_memory", process.merges_memory);
  visit("locks_future", process.locks_future);
  visit("policies", process.policies);
}

// What a machine must have to restore it.
struct Requirements {
  uint64_t page_size = 0;
  std::string kernel;  // `uname -r` of where it was taken
  std::string cpu;
  std::vector<std::string> cpu_features;
  uint64_t vector_bytes = 0;  // of the vector state
  std::vector<uint8_t> vdso;  // as mapped
};

template <typename V>
void Visit(V& visit, Requirements& requirements) {
  visit("page_size", requirements.page_size);
  visit("kernel", requirements.kernel);
  visit("cpu", requirements.cpu);
  visit("cpu_features", requirements.cpu_features);
  visit("vector_bytes", requirements.vector_bytes);
  visit("vdso", requirements.vdso);
}

// What a restore does about files that aren't as they were (--files).
enum class FilePolicy : uint8_t { kFail = 0, kKeep, kRewind };

// How far the clocks that count from the machine's start are ahead of the machine's own, as
// processes of a time namespace see them. Nanoseconds.
struct ClockShift {
  int64_t monotonic = 0, boottime = 0;
  bool operator==(const ClockShift&) const = default;
};

template <typename V>
void Visit(V& visit, ClockShift& shift) {
  visit("monotonic", shift.monotonic);
  visit("boottime", shift.boottime);
}

struct CheckpointImage {
  Requirements requirements;
  int64_t taken_at = 0;                       // CLOCK_REALTIME
  int64_t monotonic_at = 0, boottime_at = 0;  // the same instant, as the processes see it
  int64_t pause = 0;                          // how long the processes stood still
  std::vector<ProcessState> processes;        // parents before children; the first is the root
  std::vector<NamedFile> mapped_files;
  std::vector<SharedObject> shared_objects;
  std::vector<OpenFile> open_files;
  Losses losses;  // what was lost with --force
  FilePolicy files = FilePolicy::kFail;
  uint64_t asked_at = 0;  // where the root waits, having asked for this checkpoint; 0: it hasn't
  std::string boot;       // the kernel's name for the machine's run; empty: it wasn't known
  ClockShift clock_shift;
  bool leaderless = false;  // the session that the root was in had no leader any more
};

template <typename V>
void Visit(V& visit, CheckpointImage& image) {
  visit("requirements", image.requirements);
  visit("taken_at", image.taken_at);
  visit("monotonic_at", image.monotonic_at);
  visit("boottime_at", image.boottime_at);
  visit("pause", image.pause);
  visit("processes", image.processes);
  visit("mapped_files", image.mapped_files);
  visit("shared_objects", image.shared_objects);
  visit("open_files", image.open_files);
  visit("losses", image.losses);
  visit("files", image.files);
  visit("asked_at", image.asked_at);
  visit("boot", image.boot);
  visit("clock_shift", image.clock_shift);
  visit("leaderless", image.leaderless);
}

// Whether one of its tasks stands in a function of the vDSO: that can go on with this very vDSO
// only.
bool StandsInVdso(const ProcessState& process);

// Whether what a decoded image refers to exists and makes sense: nothing after this has to check an
// index or a range again.
Status CheckImage(const CheckpointImage& image, uint32_t blocks, uint64_t block_bytes);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_CHECKPOINT_IMAGE_H_
