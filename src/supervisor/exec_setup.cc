#include "supervisor/exec_setup.h"

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "base/features.h"
#include "stub/layout.h"
#include "supervisor/loader_patches.h"
#include "supervisor/own_traps.h"
#include "tracee/remote_calls.h"

namespace retake {
namespace {

// Writes over code.
Status WritePatches(pid_t pid, TaskMemory& memory, const Registers& registers,
                    const Mapping& mapping, std::span<const Patch> patches) {
  bool forced = true;
  for (const Patch& patch : patches)
    forced = forced && memory.ForceWrite(mapping.start + patch.offset, patch.bytes).ok();
  if (forced) return {};
  // A kernel that lets no tracer write to read-only pages: make them writable for a moment.
  RemoteCalls calls(pid, memory, registers);
  auto protect = [&](uint64_t prot) -> Status {
    uint64_t result = TRY(calls.Call(MakeCall(Sys::mprotect, mapping.start, mapping.size(), prot)));
    if (result == 0) return {};
    return Error(static_cast<int>(-result),
                 fmt::format("can't change the protection of {}", mapping.name), pid);
  };
  TRY(protect(PROT_READ | PROT_WRITE));
  for (const Patch& patch : patches) TRY(memory.Write(mapping.start + patch.offset, patch.bytes));
  return protect(PROT_READ | PROT_EXEC);
}

Status PatchVdso(pid_t pid, TaskMemory& memory, const Registers& registers, const Mapping& vdso) {
  // The same kernel gives every process the same vDSO: its patches are computed once.
  static std::vector<uint8_t> known_image;
  static std::vector<Patch> known_patches;
  if (vdso.size() > 1 << 20) return Error(0, "the vDSO is larger than a megabyte", pid);
  std::vector<uint8_t> image(vdso.size());
  if (!memory.Read(vdso.start, image.data(), image.size()))
    return Error(0, "can't read the vDSO", pid);
  if (image != known_image) {
    known_patches = TRY(machine::VdsoPatches(image));
    known_image = std::move(image);
  }
  return WritePatches(pid, memory, registers, vdso, known_patches);
}

}  // namespace

Status CheckProgram(pid_t pid, std::span<const Mapping> mappings) {
  // Opening needs read permission, which executing doesn't.
  Fd exe(open(fmt::format("/proc/{}/exe", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!exe) {
    int code = errno;
    return Error(code, "the program may be executed but not read, so it can't be recorded", pid);
  }
  Elf64_Ehdr header{};
  ssize_t got = pread(exe.get(), &header, sizeof header, 0);
  if (got < EI_NIDENT || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Error(0, "the program is no ELF file", pid);
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != HostArch().elf_machine) {
    return Error(
        0,
        fmt::format("the program is not a 64-bit {} one but another architecture's; retake "
                    "records no others",
                    HostArch().name),
        pid);
  }
  for (const Mapping& mapping : mappings) {
    if (TouchesStub(mapping.start, mapping.size())) {
      return Error(0,
                   fmt::format("the program is loaded at {:#x}, where retake's stub page must be",
                               mapping.start),
                   pid);
    }
  }
  return {};
}

Status SetUpNewImage(pid_t pid, TaskMemory& memory, const Registers& registers,
                     std::span<const Mapping> mappings, CodeNotes* notes) {
  RemoteCalls calls(pid, memory, registers);
  TRY(calls.InstallStub(mappings));
  if (const Mapping* vdso = FindVdso(mappings); vdso != nullptr)
    TRY(PatchVdso(pid, memory, registers, *vdso));
  for (const Mapping& mapping : mappings) {
    std::vector<Patch> patches = TRY(LoaderPatchesOf(memory, mapping, notes));
    if (!patches.empty()) TRY(WritePatches(pid, memory, registers, mapping, patches));
  }
  for (const machine::TrapSwitch& call : machine::CallsAfterExec()) {
    if (call == machine::TimestampTrap() && !TimestampTrapWorks()) continue;
    TRY(calls.Call(MakeCall(call.sys, call.args[0], call.args[1])));
  }
  return {};
}

uint64_t CloneFlags(const Task& parent) {
  switch (parent.sys) {
    case Sys::clone:
      return machine::Argument(parent.entry, 0);
    case Sys::vfork:
      return CLONE_VM | CLONE_VFORK;
    case Sys::clone3: {
      uint64_t flags = 0;
      // struct clone_args begins with its flags (<linux/sched.h>).
      parent.process->memory.ReadValue(machine::Argument(parent.entry, 0), &flags);
      return flags;
    }
    default:
      return 0;
  }
}

uint64_t ChildTidAddress(const Task& parent) {
  if (parent.sys != Sys::clone3)
    return machine::Argument(parent.entry, HostArch().abi.clone_child_tid_arg);
  // struct clone_args: flags, pidfd, child_tid (<linux/sched.h>).
  uint64_t address = 0;
  parent.process->memory.ReadValue(machine::Argument(parent.entry, 0) + 16, &address);
  return address;
}

Status RestoreSignalAction(pid_t pid, TaskMemory& memory, const Registers& registers, int signal,
                           const SignalAction& action) {
  // The kernel's reset changes the handler only; flags, restorer and mask stay in its table. Read
  // them back, and write all with the handler as it was.
  const AbiLayout& abi = HostArch().abi;
  RemoteCalls calls(pid, memory, registers);
  uint64_t set_size = sizeof(uint64_t);
  BatchCall read =
      MakeCall(Sys::rt_sigaction, static_cast<uint64_t>(signal), 0, kStubScratchAddress, set_size);
  TRY(calls.Run({&read, 1}));
  std::vector<uint8_t> bytes(abi.ksigaction_size);
  if (!memory.Read(kStubScratchAddress, bytes.data(), bytes.size())) {
    return Error(ESRCH, "can't read a signal's action", pid);
  }
  memcpy(bytes.data(), &action.handler, sizeof action.handler);
  TRY(memory.Write(kStubScratchAddress, bytes));
  uint64_t result = TRY(calls.Call(MakeCall(Sys::rt_sigaction, static_cast<uint64_t>(signal),
                                            kStubScratchAddress, 0, set_size)));
  if (result != 0) return Error(static_cast<int>(-result), "can't restore a signal's action", pid);
  return {};
}

}  // namespace retake
