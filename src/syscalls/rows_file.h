// Rows of calls that name files: opening, directories, links, attributes, mounts.
#ifndef RETAKE_SYSCALLS_ROWS_FILE_H_
#define RETAKE_SYSCALLS_ROWS_FILE_H_

#include "syscalls/outputs.h"
#include "syscalls/row.h"

namespace retake {

inline constexpr Row kFileRows[] = {
    MakeRow(Sys::open, Path(), Flags("flags", Set::kOpen), Mode("mode")).Blocks().Opens(),
    MakeRow(Sys::creat, Path(), Mode("mode")).Blocks().Opens(),
    MakeRow(Sys::openat, DirFd(), Path(), Flags("flags", Set::kOpen), Mode("mode"))
        .Blocks()
        .Opens()
        .Why("may block: a FIFO waits for its other end"),
    MakeRow(Sys::openat2, DirFd(), Path(), In("how", Type::kOpenHow, ByArg(3)), Ulong("size"))
        .Blocks()
        .Opens(),
    MakeRow(Sys::open_by_handle_at, DirFd("mount_fd"),
            In("handle", Type::kFileHandle,
               {.kind = Sized::kLengthAtStart, .extra = 8, .limit = 136, .approximate = true}),
            Flags("flags", Set::kOpen))
        .Opens(),
    MakeRow(Sys::name_to_handle_at, DirFd(), Path(),
            InOut("handle", Type::kFileHandle,
                  {.kind = Sized::kLengthAtStart, .extra = 8, .limit = 136, .approximate = true})
                .Always(),
            Out("mount_id", Type::kIntWord, Approximately(Bytes(8))).Always(),
            Flags("flags", Set::kAtHandle))
        .Why("with too small a buffer (EOVERFLOW) the size it needs is written"),
    MakeRow(Sys::access, Path(), Flags("mode", Set::kAccess)),
    MakeRow(Sys::faccessat, DirFd(), Path(), Flags("mode", Set::kAccess)),
    MakeRow(Sys::faccessat2, DirFd(), Path(), Flags("mode", Set::kAccess),
            Flags("flags", Set::kAtAccess)),
    // What a file is.
    MakeRow(Sys::stat, Path(), Out("statbuf", Type::kStat)),
    MakeRow(Sys::lstat, Path(), Out("statbuf", Type::kStat)),
    MakeRow(Sys::fstat, FdArg("fd"), Out("statbuf", Type::kStat)),
    MakeRow(Sys::newfstatat, DirFd(), Path(), Out("statbuf", Type::kStat),
            Flags("flags", Set::kAt)),
    MakeRow(Sys::statx, DirFd(), Path(), Flags("flags", Set::kAtStatx),
            Flags("mask", Set::kStatxMask), Out("statxbuf", Type::kStatx)),
    MakeRow(Sys::statfs, Path(), Out("buf", Type::kStatfs)),
    MakeRow(Sys::fstatfs, FdArg("fd"), Out("buf", Type::kStatfs)),
    MakeRow(Sys::ustat, Plain("dev", Type::kDev), Out("ubuf", Type::kOpaque, Bytes(32))),
    MakeRow(Sys::sysfs, Int("option"), Hex("arg1"),
            Out("buf", Type::kString, {.kind = Sized::kString, .limit = 256}))
        .Why("option 2 writes a name; for the others the third argument isn't read"),
    // Directories.
    MakeRow(Sys::getdents, FdArg("fd"), Out("dirp", Type::kDirents, ByResult(2)), Uint("count")),
    MakeRow(Sys::getdents64, FdArg("fd"), Out("dirp", Type::kDirents64, ByResult(2)),
            Uint("count")),
    MakeRow(Sys::getcwd, Out("buf", Type::kPath, ByResult(1)), Ulong("size")),
    MakeRow(Sys::chdir, Path()),
    MakeRow(Sys::fchdir, FdArg("fd")),
    MakeRow(Sys::chroot, Path()),
    MakeRow(Sys::pivot_root, Path("new_root"), Path("put_old")),
    MakeRow(Sys::mkdir, Path(), Mode("mode")),
    MakeRow(Sys::mkdirat, DirFd(), Path(), Mode("mode")),
    MakeRow(Sys::rmdir, Path()),
    // Names.
    MakeRow(Sys::rename, Path("oldpath"), Path("newpath")),
    MakeRow(Sys::renameat, DirFd("olddirfd"), Path("oldpath"), DirFd("newdirfd"), Path("newpath")),
    MakeRow(Sys::renameat2, DirFd("olddirfd"), Path("oldpath"), DirFd("newdirfd"), Path("newpath"),
            Flags("flags", Set::kRename)),
    MakeRow(Sys::link, Path("oldpath"), Path("newpath")),
    MakeRow(Sys::linkat, DirFd("olddirfd"), Path("oldpath"), DirFd("newdirfd"), Path("newpath"),
            Flags("flags", Set::kAtLink)),
    MakeRow(Sys::symlink, Path("target"), Path("linkpath")),
    MakeRow(Sys::symlinkat, Path("target"), DirFd("newdirfd"), Path("linkpath")),
    MakeRow(Sys::unlink, Path()),
    MakeRow(Sys::unlinkat, DirFd(), Path(), Flags("flags", Set::kAtUnlink)),
    MakeRow(Sys::readlink, Path(), Out("buf", Type::kBuffer, ByResult(2)), Ulong("bufsiz")),
    MakeRow(Sys::readlinkat, DirFd(), Path(), Out("buf", Type::kBuffer, ByResult(3)),
            Ulong("bufsiz")),
    MakeRow(Sys::mknod, Path(), Plain("mode", Type::kFileMode), Plain("dev", Type::kDev)),
    MakeRow(Sys::mknodat, DirFd(), Path(), Plain("mode", Type::kFileMode),
            Plain("dev", Type::kDev)),
    // Attributes.
    MakeRow(Sys::truncate, Path(), Long("length"))
        .Why("names its file by path, so a mapping of that file is looked up by it"),
    MakeRow(Sys::chmod, Path(), Mode("mode")),
    MakeRow(Sys::fchmod, FdArg("fd"), Mode("mode")),
    MakeRow(Sys::fchmodat, DirFd(), Path(), Mode("mode")),
    MakeRow(Sys::fchmodat2, DirFd(), Path(), Mode("mode"), Flags("flags", Set::kAt)),
    MakeRow(Sys::chown, Path(), Int("owner"), Int("group")),
    MakeRow(Sys::lchown, Path(), Int("owner"), Int("group")),
    MakeRow(Sys::fchown, FdArg("fd"), Int("owner"), Int("group")),
    MakeRow(Sys::fchownat, DirFd(), Path(), Int("owner"), Int("group"), Flags("flags", Set::kAt)),
    MakeRow(Sys::umask, Mode("mask")).Results(ResultType::kMode),
    MakeRow(Sys::utime, Path("filename"), In("times", Type::kUtimbuf)),
    MakeRow(Sys::utimes, Path("filename"), In("times", Type::kTimevals2)),
    MakeRow(Sys::futimesat, DirFd(), Path(), In("times", Type::kTimevals2)),
    MakeRow(Sys::utimensat, DirFd(), Path(), In("times", Type::kTimespecs2),
            Flags("flags", Set::kAt)),
    MakeRow(Sys::setxattr, Path("path"), Str("name"), In("value", Type::kBuffer, ByArg(3)),
            Ulong("size"), Flags("flags", Set::kXattr)),
    MakeRow(Sys::lsetxattr, Path("path"), Str("name"), In("value", Type::kBuffer, ByArg(3)),
            Ulong("size"), Flags("flags", Set::kXattr)),
    MakeRow(Sys::fsetxattr, FdArg("fd"), Str("name"), In("value", Type::kBuffer, ByArg(3)),
            Ulong("size"), Flags("flags", Set::kXattr)),
    MakeRow(Sys::getxattr, Path("path"), Str("name"), Out("value", Type::kBuffer, ByResult(3)),
            Ulong("size")),
    MakeRow(Sys::lgetxattr, Path("path"), Str("name"), Out("value", Type::kBuffer, ByResult(3)),
            Ulong("size")),
    MakeRow(Sys::fgetxattr, FdArg("fd"), Str("name"), Out("value", Type::kBuffer, ByResult(3)),
            Ulong("size")),
    MakeRow(Sys::listxattr, Path("path"), Out("list", Type::kBuffer, ByResult(2)), Ulong("size")),
    MakeRow(Sys::llistxattr, Path("path"), Out("list", Type::kBuffer, ByResult(2)), Ulong("size")),
    MakeRow(Sys::flistxattr, FdArg("fd"), Out("list", Type::kBuffer, ByResult(2)), Ulong("size")),
    MakeRow(Sys::removexattr, Path("path"), Str("name")),
    MakeRow(Sys::lremovexattr, Path("path"), Str("name")),
    MakeRow(Sys::fremovexattr, FdArg("fd"), Str("name")),
    MakeRow(Sys::setxattrat, DirFd(), Path(), Flags("at_flags", Set::kAt), Str("name"),
            In("args", Type::kOpaque, ByArg(5)), Ulong("size")),
    MakeRow(Sys::getxattrat, DirFd(), Path(), Flags("at_flags", Set::kAt), Str("name"),
            In("args", Type::kOpaque, ByArg(5)), Ulong("size"))
        .Also(outputs::Getxattrat),
    MakeRow(Sys::listxattrat, DirFd(), Path(), Flags("at_flags", Set::kAt),
            Out("list", Type::kBuffer, ByResult(4)), Ulong("size")),
    MakeRow(Sys::removexattrat, DirFd(), Path(), Flags("at_flags", Set::kAt), Str("name")),
    MakeRow(Sys::file_getattr, DirFd(), Path(),
            Out("ufattr", Type::kOpaque, {.kind = Sized::kArg, .arg = 3, .limit = 4096}),
            Ulong("usize"), Flags("at_flags", Set::kAt)),
    MakeRow(Sys::file_setattr, DirFd(), Path(),
            In("ufattr", Type::kOpaque, {.kind = Sized::kArg, .arg = 3, .limit = 4096}),
            Ulong("usize"), Flags("at_flags", Set::kAt)),
    // Mounts.
    MakeRow(Sys::mount, Path("source"), Path("target"), Str("filesystemtype"),
            Flags("mountflags", Set::kMount), Str("data")),
    MakeRow(Sys::umount2, Path("target"), Flags("flags", Set::kUmount)),
    MakeRow(Sys::open_tree, DirFd(), Path(), Flags("flags", Set::kOpenTree)).Opens(),
    MakeRow(Sys::open_tree_attr, DirFd(), Path(), Flags("flags", Set::kOpenTree),
            In("attr", Type::kOpaque, ByArg(4)), Ulong("size"))
        .Opens(),
    MakeRow(Sys::move_mount, DirFd("from_dirfd"), Path("from_pathname"), DirFd("to_dirfd"),
            Path("to_pathname"), Flags("flags", Set::kMoveMount)),
    MakeRow(Sys::fsopen, Str("fsname"), Flags("flags", Set::kFsopen)).Opens(),
    MakeRow(Sys::fsconfig, FdArg("fd"), Uint("cmd"), Str("key"), Address("value"), Int("aux")),
    MakeRow(Sys::fsmount, FdArg("fd"), Flags("flags", Set::kFsmount), Hex("attr_flags")).Opens(),
    MakeRow(Sys::fspick, DirFd(), Path(), Flags("flags", Set::kFspick)).Opens(),
    MakeRow(Sys::mount_setattr, DirFd(), Path(), Flags("flags", Set::kAt),
            In("attr", Type::kOpaque, ByArg(4)), Ulong("size")),
    MakeRow(Sys::statmount, In("req", Type::kOpaque, Bytes(24)),
            Out("buf", Type::kOpaque,
                {.kind = Sized::kLengthAtStart, .limit = 1u << 20, .approximate = true}),
            Ulong("bufsize"), Uint("flags")),
    MakeRow(Sys::listmount, In("req", Type::kOpaque, Bytes(24)),
            Out("mnt_ids", Type::kOpaque, ByResult(2, 8)), Ulong("nr_mnt_ids"), Uint("flags")),
    MakeRow(Sys::swapon, Path("path"), Flags("swapflags", Set::kSwap)),
    MakeRow(Sys::swapoff, Path("path")),
    MakeRow(Sys::quotactl, Hex("cmd"), Path("special"), Int("id"), Address("addr"))
        .UnknownOutputs()
        .Why("what it writes depends on command and file system: recorded by page difference"),
    MakeRow(Sys::quotactl_fd, FdArg("fd"), Hex("cmd"), Int("id"), Address("addr"))
        .UnknownOutputs()
        .Why("what it writes depends on command and file system: recorded by page difference"),
    MakeRow(Sys::acct, Path("filename")),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_FILE_H_
