// Rows of calls on address spaces: mapping, advice, protection keys, NUMA policy, other processes'
// memory.
#ifndef RETAKE_SYSCALLS_ROWS_MEMORY_H_
#define RETAKE_SYSCALLS_ROWS_MEMORY_H_

#include "syscalls/outputs.h"
#include "syscalls/row.h"

namespace retake {

inline constexpr Row kMemoryRows[] = {
    MakeRow(Sys::mmap, Address("addr"), Ulong("length"), Flags("prot", Set::kProt),
            Flags("flags", Set::kMap), FdArg("fd"), Hex("offset"))
        .Maps(MapEffect::kMap)
        .Results(ResultType::kHex),
    MakeRow(Sys::munmap, Address("addr"), Ulong("length")).Maps(MapEffect::kUnmap),
    MakeRow(Sys::mprotect, Address("addr"), Ulong("len"), Flags("prot", Set::kProt))
        .Maps(MapEffect::kProtect),
    MakeRow(Sys::pkey_mprotect, Address("addr"), Ulong("len"), Flags("prot", Set::kProt),
            Int("pkey"))
        .Maps(MapEffect::kProtect),
    MakeRow(Sys::mremap, Address("old_address"), Ulong("old_size"), Ulong("new_size"),
            Flags("flags", Set::kMremap), Address("new_address"))
        .Maps(MapEffect::kRemap)
        .Results(ResultType::kHex),
    MakeRow(Sys::brk, Address("addr")).Maps(MapEffect::kBrk).Results(ResultType::kHex),
    MakeRow(Sys::madvise, Address("addr"), Ulong("length"), Enum("advice", Set::kMadvise))
        .Maps(MapEffect::kAdvise)
        .Why("MADV_DONTNEED brings back file contents; MADV_FREE frees at the kernel's pleasure"),
    MakeRow(Sys::process_madvise, FdArg("pidfd"), In("iovec", Type::kIovecAddresses, ByArg(2, 16)),
            Ulong("vlen"), Enum("advice", Set::kMadvise), Uint("flags"))
        .Deny(ENOSYS, "changes mappings by address list; allocators fall back to madvise"),
    MakeRow(Sys::remap_file_pages, Address("addr"), Ulong("size"), Flags("prot", Set::kProt),
            Ulong("pgoff"), Flags("flags", Set::kMap))
        .Deny(ENOSYS, "deprecated since Linux 3.16; mmap does the same"),
    MakeRow(Sys::mseal, Address("addr"), Ulong("len"), Hex("flags")),
    MakeRow(Sys::msync, Address("addr"), Ulong("length"), Flags("flags", Set::kMsync)),
    MakeRow(Sys::mincore, Address("addr"), Ulong("length"),
            Out("vec", Type::kOpaque, {.kind = Sized::kArgPages, .arg = 1, .approximate = true})),
    MakeRow(Sys::mlock, Address("addr"), Ulong("len")),
    MakeRow(Sys::mlock2, Address("addr"), Ulong("len"), Flags("flags", Set::kMlock)),
    MakeRow(Sys::munlock, Address("addr"), Ulong("len")),
    MakeRow(Sys::mlockall, Flags("flags", Set::kMlockall)),
    MakeRow(Sys::munlockall),
    MakeRow(Sys::pkey_alloc, Uint("flags"), Flags("access_rights", Set::kPkeyAccess))
        .Maps(MapEffect::kExecuted)
        .Why("replay executes it: memory instructions depend on the key and on PKRU"),
    MakeRow(Sys::pkey_free, Int("pkey"))
        .Maps(MapEffect::kExecuted)
        .Why("replay executes it, so that the next key has the recorded number"),
    MakeRow(Sys::map_shadow_stack, Address("addr"), Ulong("size"), Uint("flags"))
        .Results(ResultType::kHex)
        .Deny(ENOSYS, "shadow stacks aren't rebuilt by replay yet; the C library does without"),
    MakeRow(Sys::membarrier, Enum("cmd", Set::kMembarrier), Uint("flags"), Hidden("cpu_id")),
    MakeRow(Sys::process_vm_readv, Int("pid"), InOut("local_iov", Type::kIovec, IovecOf(2)),
            Ulong("liovcnt"), In("remote_iov", Type::kIovecAddresses, ByArg(4, 16)),
            Ulong("riovcnt"), Uint("flags")),
    MakeRow(Sys::process_vm_writev, Int("pid"), In("local_iov", Type::kIovec, IovecOf(2)),
            Ulong("liovcnt"), In("remote_iov", Type::kIovecAddresses, ByArg(4, 16)),
            Ulong("riovcnt"), Uint("flags"))
        .Also(outputs::ProcessVmWritev)
        .Why("the bytes go into another process: an event of that one too. Written to the caller "
             "itself they are outputs"),
    MakeRow(Sys::process_mrelease, FdArg("pidfd"), Uint("flags")),
    MakeRow(Sys::mbind, Address("addr"), Ulong("len"), Enum("mode", Set::kMempolicy),
            In("nodemask", Type::kOpaque, BitsOf(4)), Ulong("maxnode"), Hex("flags")),
    MakeRow(Sys::set_mempolicy, Enum("mode", Set::kMempolicy),
            In("nodemask", Type::kOpaque, BitsOf(2)), Ulong("maxnode")),
    MakeRow(Sys::get_mempolicy, Out("mode", Type::kIntWord),
            Out("nodemask", Type::kOpaque, BitsOf(2)), Ulong("maxnode"), Address("addr"),
            Hex("flags")),
    MakeRow(Sys::set_mempolicy_home_node, Address("start"), Ulong("len"), Ulong("home_node"),
            Uint("flags")),
    MakeRow(Sys::migrate_pages, Int("pid"), Ulong("maxnode"),
            In("old_nodes", Type::kOpaque, BitsOf(1)), In("new_nodes", Type::kOpaque, BitsOf(1))),
    MakeRow(Sys::move_pages, Int("pid"), Ulong("count"), In("pages", Type::kOpaque, ByArg(1, 8)),
            In("nodes", Type::kOpaque, ByArg(1, 4)),
            Out("status", Type::kOpaque, Approximately(ByArg(1, 4))).Always(), Hex("flags")),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_MEMORY_H_
