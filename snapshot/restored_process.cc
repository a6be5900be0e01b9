#include "snapshot/restored_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "arch/kept_regsets.h"
#include "base/clock.h"
#include "base/kernel_constants.h"
#include "base/syscall.h"
#include "snapshot/descriptors.h"
#include "snapshot/husk.h"
#include "snapshot/scheduling.h"
#include "tracee/hidden_register.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kEndBound = 10'000;   // ms
constexpr int kGroupBound = 2'000;  // ms

// <linux/prctl.h>; headers of Debian 12 lack it.
constexpr uint64_t kSetMemoryMerge = 67;

// In the new process, until it is the husk. Only calls that are safe behind a clone.
[[noreturn]] void BecomeHusk(int program, int go, pid_t tracer, const RestoreMaterial& material) {
  char byte = 0;
  if (material.for_parent) {
    // Yama lets a process be traced by its ancestors, and by whom it names.
    prctl(PR_SET_PTRACER, static_cast<unsigned long>(tracer));
    if (write(go, &byte, 1) != 1) _exit(125);
  }
  if (read(go, &byte, 1) != 1) _exit(125);
  for (const std::vector<int>* group :
       {&material.mapped_files, &material.shared_objects, &material.open_files, &material.terminals,
        &material.passing}) {
    for (int fd : *group) {
      if (fd >= 0) fcntl(fd, F_SETFD, 0);
    }
  }
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ExecHusk(program);
}

// A fork that gives the child its pid, as soon as that is free.
Result<pid_t> ForkOnceFree(pid_t pid, uint64_t flags) {
  int code = 0;
  int64_t deadline = MonotonicMilliseconds() + kGroupBound;
  for (;;) {
    pid_t child = ForkAs(pid, flags);
    if (child >= 0) return child;
    code = errno;
    // What still ends may have it as its group.
    bool ends = code == EEXIST && kill(pid, 0) != 0 && errno == ESRCH;
    if (!ends || MonotonicMilliseconds() > deadline) break;
    usleep(1'000);
  }
  if (code == EEXIST)
    return Error(code, "its pid is taken by another process: end that first, or give `--pid new`",
                 pid);
  if (code == EPERM)
    return Error(code, "may not choose the pid of a process: that needs CAP_CHECKPOINT_RESTORE",
                 pid);
  return Error(code, "can't start a process", pid);
}

// Not for ever: somebody may have continued or ended it.
void AwaitStopped(pid_t tid) {
  constexpr int kStopBound = 1'000;  // ms
  int64_t deadline = MonotonicMilliseconds() + kStopBound;
  while (MonotonicMilliseconds() < deadline) {
    auto stat = ProcStat::Read(tid);
    if (!stat.ok() || stat->state() == 'T') return;
    usleep(100);
  }
}

// siginfo_t begins with the signal's number.
Result<int32_t> SignalOf(const PendingSignal& pending, pid_t pid) {
  int32_t signal = 0;
  if (pending.info.size() < sizeof signal) return Error(0, "a pending signal is damaged", pid);
  memcpy(&signal, pending.info.data(), sizeof signal);
  return signal;
}

}  // namespace

Result<std::unique_ptr<RestoredProcess>> RestoredProcess::Start(const RestoreMaterial& material,
                                                                pid_t pid) {
  Fd program = TRY(HuskProgram());
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return ErrnoError("can't make a pair of sockets");
  Fd go(ends[0]);
  Fd husk_go(ends[1]);
  pid_t tracer = getpid();
  // What a child's timer slack is by default is what its parent's was.
  auto slack = static_cast<unsigned long>(prctl(PR_GET_TIMERSLACK));
  prctl(PR_SET_TIMERSLACK, 0);
  auto forked = ForkOnceFree(pid, material.for_parent ? CLONE_PARENT : 0);
  if (!forked.ok() || *forked != 0) prctl(PR_SET_TIMERSLACK, slack);
  pid_t child = TRY(std::move(forked));
  if (child == 0) {
    // Else it would wait for itself if we ended now.
    go.Reset();
    BecomeHusk(program.get(), husk_go.get(), tracer, material);
  }
  husk_go.Reset();
  char byte = 0;
  if (material.for_parent && read(go.get(), &byte, 1) != 1) {
    kill(child, SIGKILL);
    return Error(0, "a new process ended at once", child);
  }

  TaskMemory memory = TRY(AwaitHusk(child, go.get(), kRestoreTraceOptions));
  std::unique_ptr<RestoredProcess> process(new RestoredProcess(material, child, std::move(memory)));
  TRY(process->Prepare());
  std::vector<Mapping> mappings = TRY(ReadMappings(child));
  TRY(process->Remote(process->tasks_[0]).InstallStub(mappings));
  return process;
}

Status RestoredProcess::Prepare() {
  Task leader{.tid = pid_};
  TRY(ptracer::GetRegisters(pid_, leader.registers));
  machine::ForgetSyscall(leader.registers);
  tasks_ = {leader};
  // Signals that come to it while it is being built are the restored program's.
  return ptracer::SetSigmask(pid_, ~uint64_t{0});
}

RestoredProcess::~RestoredProcess() {
  if (!released_) ptracer::KillAndReap(pid_);
}

RemoteCalls RestoredProcess::Remote(const Task& task) {
  memory_.set_pid(task.tid);
  return RemoteCalls(task.tid, memory_, task.registers, material_.stub);
}

uint64_t RestoredProcess::scratch() const {
  return material_.stub + (kStubScratchAddress - kStubAddress);
}

Result<std::unique_ptr<RestoredProcess>> RestoredProcess::StartChild(pid_t pid, int exit_signal) {
  return StartProcess(0, exit_signal, pid);
}

Result<std::unique_ptr<RestoredProcess>> RestoredProcess::StartSibling(pid_t pid) {
  return StartProcess(CLONE_PARENT, 0, pid);
}

Result<std::unique_ptr<RestoredProcess>> RestoredProcess::StartProcess(uint64_t flags,
                                                                       int exit_signal, pid_t pid) {
  pid_t child = TRY(Remote(tasks_[0]).Clone(flags, exit_signal, pid));
  TaskMemory memory = TRY(TaskMemory::Open(child));
  std::unique_ptr<RestoredProcess> process(
      new RestoredProcess(material_, child, std::move(memory)));
  TRY(process->Prepare());
  return process;
}

Result<uint64_t> RestoredProcess::Call(const BatchCall& call) {
  return Remote(tasks_[0]).Call(call);
}

Result<uint64_t> RestoredProcess::CallWith(ByteSpan bytes, const BatchCall& call) {
  if (bytes.size() > kStubScratchSize) return Error(E2BIG, "too much for one call", pid_);
  TRY(memory_.Write(scratch(), bytes));
  return Call(call);
}

Status RestoredProcess::Run(std::span<BatchCall> calls, const char* what) {
  TRY(Remote(tasks_[0]).Run(calls));
  for (const BatchCall& call : calls) {
    if (!CallFailed(call.result)) continue;
    return Error(static_cast<int>(-call.result),
                 fmt::format("{} ({} of {:#x}, {:#x})", what,
                             SysName(HostArch().SysOf(static_cast<int64_t>(call.number))),
                             call.args[0], call.args[1]),
                 pid_);
  }
  return {};
}

Status RestoredProcess::CallTask(const Task& task, ByteSpan bytes, const BatchCall& call,
                                 const char* what) {
  if (!bytes.empty()) TRY(memory_.Write(scratch(), bytes));
  uint64_t result = TRY(Remote(task).Call(call));
  if (CallFailed(result))
    return Error(static_cast<int>(-result), fmt::format("can't set {}", what), task.tid);
  return {};
}

Status RestoredProcess::EndAs(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    // Without a core: it has left one, if any, when it ended.
    rlimit none{0, 0};
    prlimit(pid_, RLIMIT_CORE, &none, nullptr);
    int signal = WTERMSIG(wait_status);
    if (signal == SIGKILL) {
      kill(pid_, SIGKILL);
    } else {
      // At a stop for a signal another can be given in its place.
      TRY(Remote(tasks_[0]).Break());
      TRY(ptracer::SetSigmask(pid_, ~(uint64_t{1} << (signal - 1))));
      TRY(ptracer::Resume(pid_, ResumeKind::kContinue, signal));
    }
  } else {
    BatchCall exit = MakeCall(Sys::exit_group, static_cast<uint64_t>(WEXITSTATUS(wait_status)));
    TRY(LetExit(exit));
  }
  TRY(ptracer::PeekExit(pid_, kEndBound));
  // Its tracer lets go of it; its parent has it from now on.
  TRY(ptracer::WaitOne(pid_, kEndBound));
  released_ = true;
  return {};
}

// --- Descriptors, state and tasks ---

Status RestoredProcess::Pass(int fd, int number) {
  // The same on both sides: here with our addresses, there with its own.
  struct Letter {
    msghdr header;
    iovec vector;
    char byte;
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(int))> control;
  };
  Letter letter{};
  auto address = [&](Letter* at) {
    letter.header.msg_iov = &at->vector;
    letter.header.msg_iovlen = 1;
    letter.header.msg_control = at->control.data();
    letter.header.msg_controllen = letter.control.size();
    letter.vector = {&at->byte, 1};
  };
  address(&letter);
  cmsghdr* control = CMSG_FIRSTHDR(&letter.header);
  *control = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
  memcpy(CMSG_DATA(control), &fd, sizeof fd);
  if (sendmsg(material_.passing[0], &letter.header, MSG_NOSIGNAL) != 1)
    return ErrnoError("can't pass a descriptor to process {}", pid_);
  address(reinterpret_cast<Letter*>(scratch()));
  uint64_t got = TRY(CallWith(ByteSpan(reinterpret_cast<const uint8_t*>(&letter), sizeof letter),
                              MakeCall(Sys::recvmsg, static_cast<uint64_t>(material_.passing[1]),
                                       scratch(), MSG_DONTWAIT)));
  if (CallFailed(got)) return Error(static_cast<int>(-got), "can't take a descriptor", pid_);
  if (!memory_.ReadValue(scratch(), &letter) || letter.header.msg_controllen == 0)
    return Error(0, "can't take a descriptor", pid_);
  int taken = -1;
  memcpy(&taken, letter.control.data() + CMSG_LEN(0), sizeof taken);
  std::vector<BatchCall> calls = {
      MakeCall(Sys::dup3, static_cast<uint64_t>(taken), static_cast<uint64_t>(number), 0),
      MakeCall(Sys::close, static_cast<uint64_t>(taken))};
  return Run(calls, "can't give it a descriptor");
}

Status RestoredProcess::BuildDescriptors(const CheckpointImage& image, const ProcessState& state) {
  std::vector<BatchCall> calls;
  uint64_t next = 0;  // the lowest number that isn't settled
  std::vector<Descriptor> descriptors = state.descriptors.descriptors;
  std::ranges::sort(descriptors, {}, &Descriptor::number);
  for (const Descriptor& descriptor : descriptors) {
    auto number = static_cast<uint64_t>(descriptor.number);
    if (number > next) calls.push_back(MakeCall(Sys::close_range, next, number - 1));
    calls.push_back(MakeCall(Sys::dup3,
                             static_cast<uint64_t>(material_.open_files[descriptor.file]), number,
                             descriptor.close_on_exec ? O_CLOEXEC : 0));
    next = number + 1;
  }
  calls.push_back(MakeCall(Sys::close_range, next, ~0U));
  TRY(Run(calls, "can't give it its descriptors"));
  auto is_first = [&](uint32_t file) {
    for (const ProcessState& other : image.processes) {
      if (&other == &state) break;
      auto has = [&](const Descriptor& descriptor) { return descriptor.file == file; };
      if (std::ranges::any_of(other.descriptors.descriptors, has)) return false;
    }
    return true;
  };
  for (const HolderCall& holder :
       HolderCalls(state.descriptors, image.open_files, is_first, scratch())) {
    uint64_t result = TRY(CallWith(holder.bytes, holder.call));
    auto code = static_cast<int>(-result);
    if (CallFailed(result) && code != holder.tolerated)
      return Error(code, fmt::format("can't {}", holder.purpose), pid_);
  }
  return {};
}

Status RestoredProcess::BuildState(const ProcessState& state) {
  // The working directory, as a path.
  std::string directory = state.directory + '\0';
  uint64_t result = TRY(CallWith(AsBytes(directory), MakeCall(Sys::chdir, scratch())));
  if (CallFailed(result)) {
    return Error(static_cast<int>(-result),
                 fmt::format("can't go to its working directory {}", state.directory), pid_);
  }
  std::vector<BatchCall> calls = {
      MakeCall(Sys::umask, state.umask),
      MakeCall(Sys::personality, state.personality),
  };
  if (state.subreaper) calls.push_back(MakeCall(Sys::prctl, PR_SET_CHILD_SUBREAPER, 1));
  if (state.no_huge_pages) calls.push_back(MakeCall(Sys::prctl, PR_SET_THP_DISABLE, 1));
  if (state.merges_memory) calls.push_back(MakeCall(Sys::prctl, kSetMemoryMerge, 1));
  if (state.locks_future != 0) calls.push_back(MakeCall(Sys::mlockall, state.locks_future));
  if (state.execution_denied != 0)
    calls.push_back(MakeCall(Sys::prctl, PR_SET_MDWE, state.execution_denied));
  TRY(Run(calls, "can't set what it is"));
  for (uint64_t command = 1; command <= kAllMembarriers; command <<= 1) {
    if ((state.membarrier & command) == 0) continue;
    uint64_t registered = TRY(Call(MakeCall(Sys::membarrier, command)));
    // Where the kernel can't, and didn't tell what was registered, it may not have been.
    if (CallFailed(registered) && state.membarrier != kAllMembarriers)
      return Error(static_cast<int>(-registered), "can't register it for memory barriers", pid_);
  }

  for (const SignalAction& action : state.actions) {
    result = TRY(
        CallWith(action.action, MakeCall(Sys::rt_sigaction, static_cast<uint64_t>(action.signal),
                                         scratch(), 0, sizeof(uint64_t))));
    if (CallFailed(result)) {
      return Error(static_cast<int>(-result),
                   fmt::format("can't set what it does on signal {}", action.signal), pid_);
    }
  }
  for (const PendingSignal& pending : state.pending) {
    int32_t signal = TRY(SignalOf(pending, pid_));
    result = TRY(CallWith(pending.info, MakeCall(Sys::rt_sigqueueinfo, static_cast<uint64_t>(pid_),
                                                 static_cast<uint64_t>(signal), scratch())));
    if (CallFailed(result)) {
      return Error(static_cast<int>(-result), fmt::format("can't send it signal {}", signal), pid_);
    }
  }
  return {};
}

Status RestoredProcess::BuildTasks(const ProcessState& state) {
  constexpr uint64_t kThreadFlags =
      CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  bool same_pid = state.pid == pid_;
  // A leader that has exited is none of the tasks, and stays the one that makes calls.
  for (size_t i = state.leader_exited ? 0 : 1; i < state.tasks.size(); ++i) {
    pid_t tid = TRY(Remote(tasks_[0]).Clone(kThreadFlags, 0, same_pid ? state.tasks[i].tid : 0));
    Task task{.tid = tid};
    TRY(ptracer::GetRegisters(tid, task.registers));
    machine::ForgetSyscall(task.registers);
    tasks_.push_back(task);
    TRY(ptracer::SetSigmask(tid, ~uint64_t{0}));
  }
  std::span<const Task> tasks = LivingTasks(state);
  for (size_t i = 0; i < tasks.size(); ++i) TRY(BuildTask(tasks[i], state.tasks[i]));
  for (size_t i = 0; i < tasks.size(); ++i)
    TRY(ApplyScheduling(tasks[i].tid, state.tasks[i].scheduling));
  for (size_t i = 0; i < tasks.size(); ++i) {
    TRY(SetAttributes(tasks[i], state.tasks[i]));
    TRY(Confine(tasks[i], state.tasks[i].seccomp));
    TRY(SetCredentials(tasks[i], state.tasks[i].credentials));
  }
  for (size_t i = 0; i < tasks.size(); ++i) {
    // A change of credentials clears it.
    if (state.tasks[i].parent_death_signal == 0) continue;
    TRY(CallTask(tasks[i], {},
                 MakeCall(Sys::prctl, PR_SET_PDEATHSIG,
                          static_cast<uint64_t>(state.tasks[i].parent_death_signal)),
                 "the signal that its parent's end sends it"));
  }
  TRY(BuildTimers(state));
  if (state.dumpable <= 1)
    TRY(CallTask(tasks_[0], {}, MakeCall(Sys::prctl, PR_SET_DUMPABLE, state.dumpable), "dumpable"));
  // Last, since they bind what comes before.
  return SetLimits(state);
}

Status RestoredProcess::SetLimits(const ProcessState& state) {
  for (size_t resource = 0; resource < state.limits.size(); ++resource) {
    rlimit limit{state.limits[resource].soft, state.limits[resource].hard};
    rlimit present{};
    auto which = static_cast<__rlimit_resource>(resource);
    // It has ours until then; those of another user only CAP_SYS_RESOURCE may ask for, or set.
    if (getrlimit(which, &present) == 0 && present.rlim_cur == limit.rlim_cur &&
        present.rlim_max == limit.rlim_max)
      continue;
    if (prlimit(pid_, which, &limit, nullptr) == 0) continue;
    ByteSpan bytes(reinterpret_cast<const uint8_t*>(&limit), sizeof limit);
    uint64_t result = TRY(CallWith(bytes, MakeCall(Sys::prlimit64, 0, resource, scratch(), 0)));
    if (!CallFailed(result)) continue;
    return Error(static_cast<int>(-result),
                 fmt::format("can't set its resource limit {} to {} (hard {})", resource,
                             limit.rlim_cur, limit.rlim_max),
                 pid_);
  }
  return {};
}

Status RestoredProcess::BuildTask(const Task& task, const TaskState& state) {
  std::string name = state.name.substr(0, 15) + '\0';
  TRY(CallTask(task, AsBytes(name), MakeCall(Sys::prctl, PR_SET_NAME, scratch()), "its name"));
  // One that it is on at the moment can't be set; then the kernel had it so.
  stack_t stack{reinterpret_cast<void*>(state.alternate_stack.address),
                state.alternate_stack.flags & ~SS_ONSTACK, state.alternate_stack.size};
  if (stack.ss_size != 0) {
    TRY(CallTask(task, {reinterpret_cast<const uint8_t*>(&stack), sizeof stack},
                 MakeCall(Sys::sigaltstack, scratch()), "its alternate signal stack"));
  }
  TRY(CallTask(task, {}, MakeCall(Sys::set_tid_address, state.clear_tid),
               "what is cleared at its end"));
  if (state.robust_list != 0) {
    TRY(CallTask(task, {},
                 MakeCall(Sys::set_robust_list, state.robust_list, state.robust_list_size),
                 "its robust list"));
  }
  if (state.rseq.address != 0) {
    TRY(CallTask(task, {},
                 MakeCall(Sys::rseq, state.rseq.address, state.rseq.size, state.rseq.flags,
                          state.rseq.signature),
                 "its restartable sequences"));
  }
  if (state.memory_policy != 0) {
    TRY(CallTask(task, state.memory_nodes,
                 MakeCall(Sys::set_mempolicy, state.memory_policy, scratch(), kMaxNodes),
                 "the NUMA nodes that its memory comes from"));
  }
  for (const PendingSignal& pending : state.pending) {
    int32_t signal = TRY(SignalOf(pending, task.tid));
    TRY(CallTask(
        task, pending.info,
        MakeCall(Sys::rt_tgsigqueueinfo, static_cast<uint64_t>(pid_),
                 static_cast<uint64_t>(task.tid), static_cast<uint64_t>(signal), scratch()),
        "a pending signal"));
  }
  return {};
}

std::span<const RestoredProcess::Task> RestoredProcess::LivingTasks(
    const ProcessState& state) const {
  return std::span<const Task>(tasks_).subspan(state.leader_exited ? 1 : 0);
}

pid_t RestoredProcess::PresentTid(const ProcessState& state, pid_t tid) const {
  if (tid == state.pid) return pid_;
  auto task = std::ranges::find(state.tasks, tid, &TaskState::tid);
  if (task == state.tasks.end()) return 0;
  return LivingTasks(state)[static_cast<size_t>(task - state.tasks.begin())].tid;
}

// Its tracer learns of it when the others have ended, as everybody else.
Status RestoredProcess::ExitLeader(const ProcessState& state) {
  std::string name = state.name.substr(0, 15) + '\0';
  TRY(CallTask(tasks_[0], AsBytes(name), MakeCall(Sys::prctl, PR_SET_NAME, scratch()), "its name"));
  TRY(LetExit(MakeCall(Sys::exit, static_cast<uint64_t>(WEXITSTATUS(state.wait_status)))));
  int64_t deadline = MonotonicMilliseconds() + kEndBound;
  for (;;) {
    ProcStat leader = TRY(ProcStat::ReadTask(pid_, pid_));
    if (leader.state() == 'Z') return {};
    if (MonotonicMilliseconds() > deadline)
      return Error(ETIMEDOUT, "its first task doesn't exit", pid_);
    usleep(100);
  }
}

Status RestoredProcess::LetExit(const BatchCall& exit) {
  Registers registers = tasks_[0].registers;
  machine::SetCall(registers, exit.number, exit.args);
  SetPc(registers, material_.stub + machine::Stub().syscall_entry);
  TRY(ptracer::SetRegisters(pid_, registers));
  return ptracer::Resume(pid_, ResumeKind::kContinue);
}

Status RestoredProcess::SetRegsets(pid_t tid, const TaskState& state) {
  for (const RegsetState& regset : state.regsets) {
    Status set = ptracer::SetRegset(tid, regset.type, regset.bytes);
    if (set.ok()) continue;
    auto known = std::ranges::find(machine::KeptRegsets(), regset.type, &KeptRegset::type);
    const char* name =
        known == machine::KeptRegsets().end() ? "some of its registers" : known->name;
    return Error(set.error().code(), fmt::format("can't set {}", name), tid);
  }
  return {};
}

Status RestoredProcess::Complete(const ProcessState& state) {
  if (state.leader_exited) TRY(ExitLeader(state));
  std::span<const Task> tasks = LivingTasks(state);
  std::vector<Mapping> mappings = TRY(ReadMappings(tasks[0].tid));
  TRY(Remote(tasks[0]).RemoveStub(mappings));
  for (size_t i = 0; i < tasks.size(); ++i) {
    TRY(LeaveCallStop(tasks[i].tid));
    TRY(ptracer::SetVector(tasks[i].tid, state.tasks[i].vector_state));
    TRY(SetRegsets(tasks[i].tid, state.tasks[i]));
    Registers registers = state.tasks[i].registers;
    machine::ForgetSyscall(registers);
    TRY(ptracer::SetRegisters(tasks[i].tid, registers));
    TRY(ptracer::SetSigmask(tasks[i].tid, state.tasks[i].signal_mask));
  }
  return {};
}

Status RestoredProcess::Release(const ProcessState& state) {
  if (state.condition == ProcessCondition::kStopped) kill(pid_, SIGSTOP);
  if (pager_) pager_->Commit();
  released_ = true;
  for (const Task& task : LivingTasks(state)) {
    Status detached = ptracer::Detach(task.tid);
    // One that was let go before may have ended it already.
    if (!detached.ok() && detached.error().code() != ESRCH) return detached;
  }
  if (state.condition == ProcessCondition::kStopped) AwaitStopped(LivingTasks(state)[0].tid);
  return {};
}

}  // namespace retake
