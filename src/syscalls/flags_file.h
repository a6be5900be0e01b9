// Flags and enumerations of calls on files and descriptors. The headers give most; what is newer
// than they are, or differs between C libraries, is a number with its source.
#ifndef RETAKE_SYSCALLS_FLAGS_FILE_H_
#define RETAKE_SYSCALLS_FLAGS_FILE_H_

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <unistd.h>

#include "syscalls/flag_sets.h"

namespace retake {

#define RETAKE_NAMED(name) \
  { static_cast<uint64_t>(name), #name }

// include/uapi/asm-generic/fcntl.h; those without a value come from FlagValues.
inline constexpr NamedValue kOpenNames[] = {
    {0, "O_RDONLY", 3},
    {1, "O_WRONLY", 3},
    {2, "O_RDWR", 3},
    {3, "O_ACCMODE", 3},
    {00000100, "O_CREAT"},
    {00000200, "O_EXCL"},
    {00000400, "O_NOCTTY"},
    {00001000, "O_TRUNC"},
    {00002000, "O_APPEND"},
    {00004000, "O_NONBLOCK"},
    {04010000, "O_SYNC"},
    {00010000, "O_DSYNC"},
    {0, "O_DIRECT", 0, &FlagValues::o_direct},
    {0, "O_LARGEFILE", 0, &FlagValues::o_largefile},
    {0, "O_NOFOLLOW", 0, &FlagValues::o_nofollow},
    {01000000, "O_NOATIME"},
    {02000000, "O_CLOEXEC"},
    {010000000, "O_PATH"},
    {020000000, "O_TMPFILE", 0, &FlagValues::o_directory},
    {0, "O_DIRECTORY", 0, &FlagValues::o_directory},
    {00020000, "FASYNC"},
};

// include/uapi/linux/fcntl.h
inline constexpr NamedValue kAtNames[] = {
    {0x100, "AT_SYMLINK_NOFOLLOW"}, {0x400, "AT_SYMLINK_FOLLOW"}, {0x800, "AT_NO_AUTOMOUNT"},
    {0x1000, "AT_EMPTY_PATH"},      {0x8000, "AT_RECURSIVE"},
};
inline constexpr NamedValue kAtStatxNames[] = {
    {0, "AT_STATX_SYNC_AS_STAT", 0x6000},
    {0x2000, "AT_STATX_FORCE_SYNC", 0x6000},
    {0x4000, "AT_STATX_DONT_SYNC", 0x6000},
    {0x100, "AT_SYMLINK_NOFOLLOW"},
    {0x800, "AT_NO_AUTOMOUNT"},
    {0x1000, "AT_EMPTY_PATH"},
};
inline constexpr NamedValue kAtAccessNames[] = {
    {0x100, "AT_SYMLINK_NOFOLLOW"}, {0x200, "AT_EACCESS"}, {0x1000, "AT_EMPTY_PATH"}};
inline constexpr NamedValue kAtUnlinkNames[] = {{0x200, "AT_REMOVEDIR"}};
inline constexpr NamedValue kAtLinkNames[] = {{0x400, "AT_SYMLINK_FOLLOW"},
                                              {0x1000, "AT_EMPTY_PATH"}};
inline constexpr NamedValue kAtHandleNames[] = {{0x1, "AT_HANDLE_MNT_ID_UNIQUE"},
                                                {0x2, "AT_HANDLE_CONNECTABLE"},
                                                {0x200, "AT_HANDLE_FID"},
                                                {0x400, "AT_SYMLINK_FOLLOW"},
                                                {0x1000, "AT_EMPTY_PATH"}};
inline constexpr NamedValue kAtExecNames[] = {
    {0x100, "AT_SYMLINK_NOFOLLOW"}, {0x1000, "AT_EMPTY_PATH"}, {0x10000, "AT_EXECVE_CHECK"}};
inline constexpr NamedValue kAccessNames[] = {
    {0, "F_OK", 7}, {4, "R_OK"}, {2, "W_OK"}, {1, "X_OK"}};
inline constexpr NamedValue kWhenceNames[] = {
    {0, "SEEK_SET"}, {1, "SEEK_CUR"}, {2, "SEEK_END"}, {3, "SEEK_DATA"}, {4, "SEEK_HOLE"}};
inline constexpr NamedValue kFdFlagNames[] = {{1, "FD_CLOEXEC"}};
inline constexpr NamedValue kPollNames[] = {
    {0x001, "POLLIN"},     {0x002, "POLLPRI"},    {0x004, "POLLOUT"},    {0x040, "POLLRDNORM"},
    {0x080, "POLLRDBAND"}, {0x100, "POLLWRNORM"}, {0x200, "POLLWRBAND"}, {0x008, "POLLERR"},
    {0x010, "POLLHUP"},    {0x020, "POLLNVAL"},   {0x400, "POLLMSG"},    {0x2000, "POLLRDHUP"},
};
inline constexpr NamedValue kEpollCtlNames[] = {
    {1, "EPOLL_CTL_ADD"}, {2, "EPOLL_CTL_DEL"}, {3, "EPOLL_CTL_MOD"}};
inline constexpr NamedValue kEpollNames[] = {
    {0x001, "EPOLLIN"},        {0x002, "EPOLLPRI"},        {0x004, "EPOLLOUT"},
    {0x040, "EPOLLRDNORM"},    {0x080, "EPOLLRDBAND"},     {0x100, "EPOLLWRNORM"},
    {0x200, "EPOLLWRBAND"},    {0x400, "EPOLLMSG"},        {0x008, "EPOLLERR"},
    {0x010, "EPOLLHUP"},       {0x2000, "EPOLLRDHUP"},     {1u << 28, "EPOLLEXCLUSIVE"},
    {1u << 29, "EPOLLWAKEUP"}, {1u << 30, "EPOLLONESHOT"}, {1u << 31, "EPOLLET"},
};
inline constexpr NamedValue kEpollCreateNames[] = {RETAKE_NAMED(EPOLL_CLOEXEC)};
inline constexpr NamedValue kEventfdNames[] = {
    RETAKE_NAMED(EFD_SEMAPHORE), RETAKE_NAMED(EFD_CLOEXEC), RETAKE_NAMED(EFD_NONBLOCK)};
inline constexpr NamedValue kSignalfdNames[] = {{02000000, "SFD_CLOEXEC"}, {04000, "SFD_NONBLOCK"}};
inline constexpr NamedValue kTimerfdNames[] = {{02000000, "TFD_CLOEXEC"}, {04000, "TFD_NONBLOCK"}};
inline constexpr NamedValue kTimerfdSettimeNames[] = {{1, "TFD_TIMER_ABSTIME"},
                                                      {2, "TFD_TIMER_CANCEL_ON_SET"}};
inline constexpr NamedValue kInotifyInitNames[] = {RETAKE_NAMED(IN_CLOEXEC),
                                                   RETAKE_NAMED(IN_NONBLOCK)};
inline constexpr NamedValue kInotifyNames[] = {
    RETAKE_NAMED(IN_ACCESS),      RETAKE_NAMED(IN_MODIFY),        RETAKE_NAMED(IN_ATTRIB),
    RETAKE_NAMED(IN_CLOSE_WRITE), RETAKE_NAMED(IN_CLOSE_NOWRITE), RETAKE_NAMED(IN_OPEN),
    RETAKE_NAMED(IN_MOVED_FROM),  RETAKE_NAMED(IN_MOVED_TO),      RETAKE_NAMED(IN_CREATE),
    RETAKE_NAMED(IN_DELETE),      RETAKE_NAMED(IN_DELETE_SELF),   RETAKE_NAMED(IN_MOVE_SELF),
    RETAKE_NAMED(IN_ONLYDIR),     RETAKE_NAMED(IN_DONT_FOLLOW),   RETAKE_NAMED(IN_EXCL_UNLINK),
    RETAKE_NAMED(IN_MASK_ADD),    RETAKE_NAMED(IN_ISDIR),         RETAKE_NAMED(IN_ONESHOT),
};
inline constexpr NamedValue kFanotifyInitNames[] = {
    {1, "FAN_CLOEXEC"},           {2, "FAN_NONBLOCK"},           {4, "FAN_CLASS_CONTENT"},
    {8, "FAN_CLASS_PRE_CONTENT"}, {0x10, "FAN_UNLIMITED_QUEUE"}, {0x20, "FAN_UNLIMITED_MARKS"},
    {0x200, "FAN_REPORT_FID"},    {0x400, "FAN_REPORT_DIR_FID"}, {0x800, "FAN_REPORT_NAME"},
};
inline constexpr NamedValue kFanotifyMarkNames[] = {
    {1, "FAN_MARK_ADD"},
    {2, "FAN_MARK_REMOVE"},
    {4, "FAN_MARK_DONT_FOLLOW"},
    {8, "FAN_MARK_ONLYDIR"},
    {0x10, "FAN_MARK_MOUNT"},
    {0x80, "FAN_MARK_FLUSH"},
    {0x100, "FAN_MARK_FILESYSTEM"},
};
inline constexpr NamedValue kPipeNames[] = {
    {04000, "O_NONBLOCK"},
    {02000000, "O_CLOEXEC"},
    {0, "O_DIRECT", 0, &FlagValues::o_direct},
    {0200, "O_NOTIFICATION_PIPE"},
};
inline constexpr NamedValue kDup3Names[] = {{02000000, "O_CLOEXEC"}};
inline constexpr NamedValue kCloseRangeNames[] = {{2, "CLOSE_RANGE_UNSHARE"},
                                                  {4, "CLOSE_RANGE_CLOEXEC"}};
inline constexpr NamedValue kFlockNames[] = {
    {LOCK_SH, "LOCK_SH"}, {LOCK_EX, "LOCK_EX"}, {LOCK_NB, "LOCK_NB"}, {LOCK_UN, "LOCK_UN"}};
inline constexpr NamedValue kSpliceNames[] = {
    {1, "SPLICE_F_MOVE"}, {2, "SPLICE_F_NONBLOCK"}, {4, "SPLICE_F_MORE"}, {8, "SPLICE_F_GIFT"}};
// include/uapi/linux/fs.h
inline constexpr NamedValue kRwfNames[] = {
    {1, "RWF_HIPRI"},   {2, "RWF_DSYNC"},     {4, "RWF_SYNC"},    {8, "RWF_NOWAIT"},
    {16, "RWF_APPEND"}, {32, "RWF_NOAPPEND"}, {64, "RWF_ATOMIC"}, {128, "RWF_DONTCACHE"}};
inline constexpr NamedValue kSyncRangeNames[] = {{1, "SYNC_FILE_RANGE_WAIT_BEFORE"},
                                                 {2, "SYNC_FILE_RANGE_WRITE"},
                                                 {4, "SYNC_FILE_RANGE_WAIT_AFTER"}};
inline constexpr NamedValue kFallocateNames[] = {
    {1, "FALLOC_FL_KEEP_SIZE"},      {2, "FALLOC_FL_PUNCH_HOLE"},  {4, "FALLOC_FL_NO_HIDE_STALE"},
    {8, "FALLOC_FL_COLLAPSE_RANGE"}, {16, "FALLOC_FL_ZERO_RANGE"}, {32, "FALLOC_FL_INSERT_RANGE"},
    {64, "FALLOC_FL_UNSHARE_RANGE"},
};
inline constexpr NamedValue kFadviseNames[] = {
    {0, "POSIX_FADV_NORMAL"},   {1, "POSIX_FADV_RANDOM"},   {2, "POSIX_FADV_SEQUENTIAL"},
    {3, "POSIX_FADV_WILLNEED"}, {4, "POSIX_FADV_DONTNEED"}, {5, "POSIX_FADV_NOREUSE"},
};
inline constexpr NamedValue kRenameNames[] = {
    {1, "RENAME_NOREPLACE"}, {2, "RENAME_EXCHANGE"}, {4, "RENAME_WHITEOUT"}};
inline constexpr NamedValue kXattrNames[] = {{1, "XATTR_CREATE"}, {2, "XATTR_REPLACE"}};
// include/uapi/linux/stat.h
inline constexpr NamedValue kStatxNames[] = {
    {0xfff, "STATX_ALL"},
    {0x7ff, "STATX_BASIC_STATS"},
    {0x001, "STATX_TYPE"},
    {0x002, "STATX_MODE"},
    {0x004, "STATX_NLINK"},
    {0x008, "STATX_UID"},
    {0x010, "STATX_GID"},
    {0x020, "STATX_ATIME"},
    {0x040, "STATX_MTIME"},
    {0x080, "STATX_CTIME"},
    {0x100, "STATX_INO"},
    {0x200, "STATX_SIZE"},
    {0x400, "STATX_BLOCKS"},
    {0x800, "STATX_BTIME"},
    {0x1000, "STATX_MNT_ID"},
    {0x2000, "STATX_DIOALIGN"},
    {0x4000, "STATX_MNT_ID_UNIQUE"},
    {0x8000, "STATX_SUBVOL"},
    {0x10000, "STATX_WRITE_ATOMIC"},
    {0x20000, "STATX_DIO_READ_ALIGN"},
};
inline constexpr NamedValue kStatxAttributeNames[] = {
    {0x4, "STATX_ATTR_COMPRESSED"},    {0x10, "STATX_ATTR_IMMUTABLE"},
    {0x20, "STATX_ATTR_APPEND"},       {0x40, "STATX_ATTR_NODUMP"},
    {0x800, "STATX_ATTR_ENCRYPTED"},   {0x1000, "STATX_ATTR_AUTOMOUNT"},
    {0x2000, "STATX_ATTR_MOUNT_ROOT"}, {0x100000, "STATX_ATTR_VERITY"},
    {0x200000, "STATX_ATTR_DAX"}};
inline constexpr NamedValue kMemfdNames[] = {{1, "MFD_CLOEXEC"},
                                             {2, "MFD_ALLOW_SEALING"},
                                             {4, "MFD_HUGETLB"},
                                             {8, "MFD_NOEXEC_SEAL"},
                                             {16, "MFD_EXEC"}};
inline constexpr NamedValue kSealNames[] = {{1, "F_SEAL_SEAL"},          {2, "F_SEAL_SHRINK"},
                                            {4, "F_SEAL_GROW"},          {8, "F_SEAL_WRITE"},
                                            {16, "F_SEAL_FUTURE_WRITE"}, {32, "F_SEAL_EXEC"}};
inline constexpr NamedValue kLeaseNames[] = {{0, "F_RDLCK"}, {1, "F_WRLCK"}, {2, "F_UNLCK"}};
inline constexpr NamedValue kOwnerNames[] = {
    {0, "F_OWNER_TID"}, {1, "F_OWNER_PID"}, {2, "F_OWNER_PGRP"}};
inline constexpr NamedValue kNotifyNames[] = {
    {1, "DN_ACCESS"},  {2, "DN_MODIFY"},  {4, "DN_CREATE"},          {8, "DN_DELETE"},
    {16, "DN_RENAME"}, {32, "DN_ATTRIB"}, {1u << 31, "DN_MULTISHOT"}};
inline constexpr NamedValue kMountNames[] = {
    RETAKE_NAMED(MS_RDONLY),     RETAKE_NAMED(MS_NOSUID),      RETAKE_NAMED(MS_NODEV),
    RETAKE_NAMED(MS_NOEXEC),     RETAKE_NAMED(MS_SYNCHRONOUS), RETAKE_NAMED(MS_REMOUNT),
    RETAKE_NAMED(MS_MANDLOCK),   RETAKE_NAMED(MS_DIRSYNC),     RETAKE_NAMED(MS_NOATIME),
    RETAKE_NAMED(MS_NODIRATIME), RETAKE_NAMED(MS_BIND),        RETAKE_NAMED(MS_MOVE),
    RETAKE_NAMED(MS_REC),        RETAKE_NAMED(MS_SILENT),      RETAKE_NAMED(MS_UNBINDABLE),
    RETAKE_NAMED(MS_PRIVATE),    RETAKE_NAMED(MS_SLAVE),       RETAKE_NAMED(MS_SHARED),
    RETAKE_NAMED(MS_RELATIME),   RETAKE_NAMED(MS_STRICTATIME), RETAKE_NAMED(MS_LAZYTIME),
};
inline constexpr NamedValue kUmountNames[] = {RETAKE_NAMED(MNT_FORCE), RETAKE_NAMED(MNT_DETACH),
                                              RETAKE_NAMED(MNT_EXPIRE),
                                              RETAKE_NAMED(UMOUNT_NOFOLLOW)};
inline constexpr NamedValue kFsopenNames[] = {{1, "FSOPEN_CLOEXEC"}};
inline constexpr NamedValue kFsmountNames[] = {{1, "FSMOUNT_CLOEXEC"}};
inline constexpr NamedValue kFspickNames[] = {{1, "FSPICK_CLOEXEC"},
                                              {2, "FSPICK_SYMLINK_NOFOLLOW"},
                                              {4, "FSPICK_NO_AUTOMOUNT"},
                                              {8, "FSPICK_EMPTY_PATH"}};
inline constexpr NamedValue kMoveMountNames[] = {
    {1, "MOVE_MOUNT_F_SYMLINKS"},      {2, "MOVE_MOUNT_F_AUTOMOUNTS"},
    {4, "MOVE_MOUNT_F_EMPTY_PATH"},    {0x10, "MOVE_MOUNT_T_SYMLINKS"},
    {0x20, "MOVE_MOUNT_T_AUTOMOUNTS"}, {0x40, "MOVE_MOUNT_T_EMPTY_PATH"},
    {0x100, "MOVE_MOUNT_SET_GROUP"},   {0x200, "MOVE_MOUNT_BENEATH"}};
inline constexpr NamedValue kOpenTreeNames[] = {
    {1, "OPEN_TREE_CLONE"},     {02000000, "OPEN_TREE_CLOEXEC"}, {0x100, "AT_SYMLINK_NOFOLLOW"},
    {0x800, "AT_NO_AUTOMOUNT"}, {0x1000, "AT_EMPTY_PATH"},       {0x8000, "AT_RECURSIVE"}};
inline constexpr NamedValue kResolveNames[] = {
    {1, "RESOLVE_NO_XDEV"}, {2, "RESOLVE_NO_MAGICLINKS"}, {4, "RESOLVE_NO_SYMLINKS"},
    {8, "RESOLVE_BENEATH"}, {16, "RESOLVE_IN_ROOT"},      {32, "RESOLVE_CACHED"}};
inline constexpr NamedValue kSwapNames[] = {{0x8000, "SWAP_FLAG_PREFER"},
                                            {0x10000, "SWAP_FLAG_DISCARD"}};
// include/uapi/linux/magic.h
inline constexpr NamedValue kFsMagicNames[] = {
    {0xef53, "EXT2_SUPER_MAGIC"},          {0x01021994, "TMPFS_MAGIC"},
    {0x9fa0, "PROC_SUPER_MAGIC"},          {0x62656572, "SYSFS_MAGIC"},
    {0x794c7630, "OVERLAYFS_SUPER_MAGIC"}, {0x58465342, "XFS_SUPER_MAGIC"},
    {0x9123683e, "BTRFS_SUPER_MAGIC"},     {0x63677270, "CGROUP2_SUPER_MAGIC"},
    {0x27e0eb, "CGROUP_SUPER_MAGIC"},      {0x6969, "NFS_SUPER_MAGIC"},
    {0x65735546, "FUSE_SUPER_MAGIC"},      {0x1cd1, "DEVPTS_SUPER_MAGIC"},
    {0x858458f6, "RAMFS_MAGIC"},           {0x73717368, "SQUASHFS_MAGIC"},
    {0x958458f6, "HUGETLBFS_MAGIC"},       {0x50495045, "PIPEFS_MAGIC"},
    {0x4d44, "MSDOS_SUPER_MAGIC"},         {0xf2f52010, "F2FS_SUPER_MAGIC"},
};
// include/linux/statfs.h
inline constexpr NamedValue kStFlagNames[] = {
    {0x20, "ST_VALID"},      {1, "ST_RDONLY"},          {2, "ST_NOSUID"},
    {4, "ST_NODEV"},         {8, "ST_NOEXEC"},          {0x10, "ST_SYNCHRONOUS"},
    {0x40, "ST_MANDLOCK"},   {0x400, "ST_NOATIME"},     {0x800, "ST_NODIRATIME"},
    {0x1000, "ST_RELATIME"}, {0x2000, "ST_NOSYMFOLLOW"}};
// include/uapi/asm-generic/termbits.h
inline constexpr NamedValue kTermInputNames[] = {
    {0x1, "IGNBRK"},  {0x2, "BRKINT"},  {0x4, "IGNPAR"},   {0x8, "PARMRK"},     {0x10, "INPCK"},
    {0x20, "ISTRIP"}, {0x40, "INLCR"},  {0x80, "IGNCR"},   {0x100, "ICRNL"},    {0x200, "IUCLC"},
    {0x400, "IXON"},  {0x800, "IXANY"}, {0x1000, "IXOFF"}, {0x2000, "IMAXBEL"}, {0x4000, "IUTF8"}};
inline constexpr NamedValue kTermOutputNames[] = {
    {0, "NL0", 0x100},        {0x100, "NL1", 0x100},   {0, "CR0", 0x600},
    {0x200, "CR1", 0x600},    {0x400, "CR2", 0x600},   {0x600, "CR3", 0x600},
    {0, "TAB0", 0x1800},      {0x800, "TAB1", 0x1800}, {0x1000, "TAB2", 0x1800},
    {0x1800, "TAB3", 0x1800}, {0, "BS0", 0x2000},      {0x2000, "BS1", 0x2000},
    {0, "VT0", 0x4000},       {0x4000, "VT1", 0x4000}, {0, "FF0", 0x8000},
    {0x8000, "FF1", 0x8000},  {0x1, "OPOST"},          {0x2, "OLCUC"},
    {0x4, "ONLCR"},           {0x8, "OCRNL"},          {0x10, "ONOCR"},
    {0x20, "ONLRET"},         {0x40, "OFILL"},         {0x80, "OFDEL"}};
inline constexpr NamedValue kTermControlNames[] = {
    {0, "B0", 0x100f},       {0xd, "B9600", 0x100f},     {0xe, "B19200", 0x100f},
    {0xf, "B38400", 0x100f}, {0x1001, "B57600", 0x100f}, {0x1002, "B115200", 0x100f},
    {0, "CS5", 0x30},        {0x10, "CS6", 0x30},        {0x20, "CS7", 0x30},
    {0x30, "CS8", 0x30},     {0x40, "CSTOPB"},           {0x80, "CREAD"},
    {0x100, "PARENB"},       {0x200, "PARODD"},          {0x400, "HUPCL"},
    {0x800, "CLOCAL"}};
inline constexpr NamedValue kTermLocalNames[] = {
    {0x1, "ISIG"},     {0x2, "ICANON"},    {0x4, "XCASE"},     {0x8, "ECHO"},
    {0x10, "ECHOE"},   {0x20, "ECHOK"},    {0x40, "ECHONL"},   {0x80, "NOFLSH"},
    {0x100, "TOSTOP"}, {0x8000, "IEXTEN"}, {0x200, "ECHOCTL"}, {0x400, "ECHOPRT"},
    {0x800, "ECHOKE"}, {0x1000, "FLUSHO"}, {0x4000, "PENDIN"}};
inline constexpr NamedValue kTciflushNames[] = {{0, "TCIFLUSH"}, {1, "TCOFLUSH"}, {2, "TCIOFLUSH"}};
inline constexpr NamedValue kTcflowNames[] = {
    {0, "TCOOFF"}, {1, "TCOON"}, {2, "TCIOFF"}, {3, "TCION"}};

inline constexpr FlagSet kFileSets[] = {
    {Set::kOpen, kOpenNames, "O_???"},
    {Set::kAt, kAtNames, "AT_???"},
    {Set::kAtStatx, kAtStatxNames, "AT_???"},
    {Set::kAtAccess, kAtAccessNames, "AT_???"},
    {Set::kAtUnlink, kAtUnlinkNames, "AT_???"},
    {Set::kAtLink, kAtLinkNames, "AT_???"},
    {Set::kAtHandle, kAtHandleNames, "AT_???"},
    {Set::kAtExec, kAtExecNames, "AT_???"},
    {Set::kAccess, kAccessNames, "?_OK"},
    {Set::kWhence, kWhenceNames, "SEEK_???"},
    {Set::kFdFlags, kFdFlagNames, "FD_???"},
    {Set::kPollEvents, kPollNames, "POLL???"},
    {Set::kEpollCtl, kEpollCtlNames, "EPOLL_CTL_???"},
    {Set::kEpollEvents, kEpollNames, "EPOLL???"},
    {Set::kEpollCreate, kEpollCreateNames, "EPOLL_???"},
    {Set::kEventfd, kEventfdNames, "EFD_???"},
    {Set::kSignalfd, kSignalfdNames, "SFD_???"},
    {Set::kTimerfd, kTimerfdNames, "TFD_???"},
    {Set::kTimerfdSettime, kTimerfdSettimeNames, "TFD_???"},
    {Set::kInotifyInit, kInotifyInitNames, "IN_???"},
    {Set::kInotifyMask, kInotifyNames, "IN_???"},
    {Set::kFanotifyInit, kFanotifyInitNames, "FAN_???"},
    {Set::kFanotifyMark, kFanotifyMarkNames, "FAN_MARK_???"},
    {Set::kPipe, kPipeNames, "O_???"},
    {Set::kDup3, kDup3Names, "O_???"},
    {Set::kCloseRange, kCloseRangeNames, "CLOSE_RANGE_???"},
    {Set::kFlockOp, kFlockNames, "LOCK_???"},
    {Set::kSplice, kSpliceNames, "SPLICE_F_???"},
    {Set::kRwf, kRwfNames, "RWF_???"},
    {Set::kSyncRange, kSyncRangeNames, "SYNC_FILE_RANGE_???"},
    {Set::kFallocate, kFallocateNames, "FALLOC_FL_???"},
    {Set::kFadvise, kFadviseNames, "POSIX_FADV_???"},
    {Set::kRename, kRenameNames, "RENAME_??"},
    {Set::kXattr, kXattrNames, "XATTR_???"},
    {Set::kStatxMask, kStatxNames, "STATX_???"},
    {Set::kStatxAttributes, kStatxAttributeNames, "STATX_ATTR_???"},
    {Set::kMemfd, kMemfdNames, "MFD_???"},
    {Set::kSeals, kSealNames, "F_SEAL_???"},
    {Set::kLease, kLeaseNames, "F_???"},
    {Set::kLockType, kLeaseNames, "F_???"},
    {Set::kOwnerType, kOwnerNames, "F_OWNER_???"},
    {Set::kNotify, kNotifyNames, "DN_???"},
    {Set::kMount, kMountNames, "MS_???"},
    {Set::kUmount, kUmountNames, "MNT_???"},
    {Set::kFsopen, kFsopenNames, "FSOPEN_???"},
    {Set::kFsmount, kFsmountNames, "FSMOUNT_???"},
    {Set::kFspick, kFspickNames, "FSPICK_???"},
    {Set::kMoveMount, kMoveMountNames, "MOVE_MOUNT_???"},
    {Set::kOpenTree, kOpenTreeNames, "OPEN_TREE_???"},
    {Set::kResolve, kResolveNames, "RESOLVE_???"},
    {Set::kSwap, kSwapNames, "SWAP_FLAG_???"},
    {Set::kFsMagic, kFsMagicNames, ""},
    {Set::kStFlags, kStFlagNames, "ST_???"},
    {Set::kTermInput, kTermInputNames, ""},
    {Set::kTermOutput, kTermOutputNames, ""},
    {Set::kTermControl, kTermControlNames, ""},
    {Set::kTermLocal, kTermLocalNames, ""},
    {Set::kTciflush, kTciflushNames, "TC???"},
    {Set::kTcflow, kTcflowNames, "TC???"},
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_FLAGS_FILE_H_
