// Rows of calls on open descriptors: reading and writing, descriptors themselves, polling, and the
// descriptors that Linux makes of events, timers and signals.
#ifndef RETAKE_SYSCALLS_ROWS_IO_H_
#define RETAKE_SYSCALLS_ROWS_IO_H_

#include "syscalls/requests.h"
#include "syscalls/row.h"

namespace retake {

inline constexpr Row kIoRows[] = {
    // Reading.
    MakeRow(Sys::read, FdArg("fd"), Out("buf", Type::kBuffer, ByResult(2)), Ulong("count"))
        .Blocks(),
    MakeRow(Sys::pread64, FdArg("fd"), Out("buf", Type::kBuffer, ByResult(2)), Ulong("count"),
            Long("offset"))
        .Blocks(),
    MakeRow(Sys::readv, FdArg("fd"), InOut("iov", Type::kIovec, IovecOf(2)), Int("iovcnt"))
        .Blocks(),
    MakeRow(Sys::preadv, FdArg("fd"), InOut("iov", Type::kIovec, IovecOf(2)), Int("iovcnt"),
            Long("offset"), Hidden("offset_high"))
        .Blocks(),
    MakeRow(Sys::preadv2, FdArg("fd"), InOut("iov", Type::kIovec, IovecOf(2)), Int("iovcnt"),
            Long("offset"), Hidden("offset_high"), Flags("flags", Set::kRwf))
        .Blocks(),
    // Writing.
    MakeRow(Sys::write, FdArg("fd"), In("buf", Type::kBuffer, ByArg(2)), Ulong("count"))
        .Blocks()
        .Writes(WriteSource::kBuffer, 0),
    MakeRow(Sys::pwrite64, FdArg("fd"), In("buf", Type::kBuffer, ByArg(2)), Ulong("count"),
            Long("offset"))
        .Blocks()
        .Writes(WriteSource::kBuffer, 0),
    MakeRow(Sys::writev, FdArg("fd"), In("iov", Type::kIovec, IovecOf(2)), Int("iovcnt"))
        .Blocks()
        .Writes(WriteSource::kVector, 0),
    MakeRow(Sys::pwritev, FdArg("fd"), In("iov", Type::kIovec, IovecOf(2)), Int("iovcnt"),
            Long("offset"), Hidden("offset_high"))
        .Blocks()
        .Writes(WriteSource::kVector, 0),
    MakeRow(Sys::pwritev2, FdArg("fd"), In("iov", Type::kIovec, IovecOf(2)), Int("iovcnt"),
            Long("offset"), Hidden("offset_high"), Flags("flags", Set::kRwf))
        .Blocks()
        .Writes(WriteSource::kVector, 0),
    // From descriptor to descriptor.
    MakeRow(Sys::sendfile, FdArg("out_fd"), FdArg("in_fd"), InOut("offset", Type::kLongWord),
            Ulong("count"))
        .Blocks()
        .Writes(WriteSource::kFile, 0),
    MakeRow(Sys::splice, FdArg("fd_in"), InOut("off_in", Type::kLongWord), FdArg("fd_out"),
            InOut("off_out", Type::kLongWord), Ulong("len"), Flags("flags", Set::kSplice))
        .Blocks()
        .Writes(WriteSource::kFile, 2),
    MakeRow(Sys::tee, FdArg("fd_in"), FdArg("fd_out"), Ulong("len"), Flags("flags", Set::kSplice))
        .Blocks()
        .Writes(WriteSource::kFile, 1),
    MakeRow(Sys::copy_file_range, FdArg("fd_in"), InOut("off_in", Type::kLongWord), FdArg("fd_out"),
            InOut("off_out", Type::kLongWord), Ulong("len"), Uint("flags"))
        .Blocks()
        .Writes(WriteSource::kFile, 2),
    MakeRow(Sys::vmsplice, FdArg("fd"), In("iov", Type::kIovec, IovecOf(2)), Ulong("nr_segs"),
            Flags("flags", Set::kSplice))
        .Blocks()
        .Writes(WriteSource::kVector, 0)
        .Deny(EINVAL,
              "lends pages of memory to a pipe, which would be read later, when their contents "
              "aren't an event; programs fall back to write"),
    // The file itself.
    MakeRow(Sys::lseek, FdArg("fd"), Long("offset"), Enum("whence", Set::kWhence)),
    MakeRow(Sys::ftruncate, FdArg("fd"), Long("length")).Writes(WriteSource::kOther, 0),
    MakeRow(Sys::fallocate, FdArg("fd"), Flags("mode", Set::kFallocate), Long("offset"),
            Long("len"))
        .Writes(WriteSource::kOther, 0),
    MakeRow(Sys::readahead, FdArg("fd"), Long("offset"), Ulong("count")),
    MakeRow(Sys::fadvise64, FdArg("fd"), Long("offset"), Long("len"),
            Enum("advice", Set::kFadvise)),
    MakeRow(Sys::sync),
    MakeRow(Sys::syncfs, FdArg("fd")),
    MakeRow(Sys::fsync, FdArg("fd")),
    MakeRow(Sys::fdatasync, FdArg("fd")),
    MakeRow(Sys::sync_file_range, FdArg("fd"), Long("offset"), Long("nbytes"),
            Flags("flags", Set::kSyncRange)),
    MakeRow(Sys::cachestat, FdArg("fd"), In("range", Type::kOpaque, Bytes(16)),
            Out("cstat", Type::kOpaque, Bytes(40)), Uint("flags")),
    // Descriptors.
    MakeRow(Sys::close, FdArg("fd"))
        .Blocks()
        .Fds(FdEffect::kCloses)
        .Why("may block: a socket that lingers"),
    MakeRow(Sys::close_range, Uint("first"), Uint("last"), Flags("flags", Set::kCloseRange))
        .Blocks()
        .Fds(FdEffect::kClosesMany),
    MakeRow(Sys::dup, FdArg("oldfd")).Opens(),
    MakeRow(Sys::dup2, FdArg("oldfd"), FdArg("newfd"))
        .Blocks()
        .Fds(FdEffect::kReplaces)
        .Results(ResultType::kFd),
    MakeRow(Sys::dup3, FdArg("oldfd"), FdArg("newfd"), Flags("flags", Set::kDup3))
        .Blocks()
        .Fds(FdEffect::kReplaces)
        .Results(ResultType::kFd),
    MakeRow(Sys::pipe, Out("pipefd", Type::kFdPair)),
    MakeRow(Sys::pipe2, Out("pipefd", Type::kFdPair), Flags("flags", Set::kPipe)),
    MakeRow(Sys::fcntl, FdArg("fd"), Selector("cmd"), Hex("arg"))
        .Blocks()
        .Opens()
        .With(kFcntl)
        .Results(ResultType::kNumber)
        .Why("blocks for F_SETLKW; only F_DUPFD and its kin open a descriptor"),
    MakeRow(Sys::ioctl, FdArg("fd"), Selector("request"), Hex("arg"))
        .Blocks()
        .With(kIoctl)
        .Why("a request that isn't in the table is recorded by page difference"),
    MakeRow(Sys::flock, FdArg("fd"), Flags("operation", Set::kFlockOp)).Blocks(),
    // Polling.
    MakeRow(Sys::poll, InOut("fds", Type::kPollfds, ByArg(1, 8)).Interrupted(), Uint("nfds"),
            Int("timeout"))
        .Blocks(),
    MakeRow(Sys::ppoll, InOut("fds", Type::kPollfds, ByArg(1, 8)).Interrupted(), Uint("nfds"),
            InOut("tmo_p", Type::kTimespec).Always(), In("sigmask", Type::kSigset),
            Ulong("sigsetsize"))
        .Blocks()
        .Why("the time left is written back, whatever the result"),
    MakeRow(Sys::select, Int("nfds"), InOut("readfds", Type::kFdSet, BitsOf(0)),
            InOut("writefds", Type::kFdSet, BitsOf(0)), InOut("exceptfds", Type::kFdSet, BitsOf(0)),
            InOut("timeout", Type::kTimeval).Always())
        .Blocks()
        .Why("the time left is written back, whatever the result"),
    MakeRow(Sys::pselect6, Int("nfds"), InOut("readfds", Type::kFdSet, BitsOf(0)),
            InOut("writefds", Type::kFdSet, BitsOf(0)), InOut("exceptfds", Type::kFdSet, BitsOf(0)),
            InOut("timeout", Type::kTimespec).Always(), In("sigmask", Type::kSelectSigmask))
        .Blocks()
        .Why("the time left is written back, whatever the result"),
    MakeRow(Sys::epoll_create, Int("size")).Opens(),
    MakeRow(Sys::epoll_create1, Flags("flags", Set::kEpollCreate)).Opens(),
    MakeRow(Sys::epoll_ctl, FdArg("epfd"), Enum("op", Set::kEpollCtl), FdArg("fd"),
            In("event", Type::kEpollEvent)),
    MakeRow(Sys::epoll_wait, FdArg("epfd"),
            Out("events", Type::kEpollEvents, ByResult(2, &AbiLayout::epoll_event_size)),
            Int("maxevents"), Int("timeout"))
        .Blocks(),
    MakeRow(Sys::epoll_pwait, FdArg("epfd"),
            Out("events", Type::kEpollEvents, ByResult(2, &AbiLayout::epoll_event_size)),
            Int("maxevents"), Int("timeout"), In("sigmask", Type::kSigset), Ulong("sigsetsize"))
        .Blocks(),
    MakeRow(Sys::epoll_pwait2, FdArg("epfd"),
            Out("events", Type::kEpollEvents, ByResult(2, &AbiLayout::epoll_event_size)),
            Int("maxevents"), In("timeout", Type::kTimespec), In("sigmask", Type::kSigset),
            Ulong("sigsetsize"))
        .Blocks(),
    Unimplemented(Sys::epoll_ctl_old),
    Unimplemented(Sys::epoll_wait_old),
    // Descriptors that stand for something else.
    MakeRow(Sys::eventfd, Uint("initval")).Opens(),
    MakeRow(Sys::eventfd2, Uint("initval"), Flags("flags", Set::kEventfd)).Opens(),
    MakeRow(Sys::signalfd, FdArg("fd"), In("mask", Type::kSigset), Ulong("sizemask")).Opens(),
    MakeRow(Sys::signalfd4, FdArg("fd"), In("mask", Type::kSigset), Ulong("sizemask"),
            Flags("flags", Set::kSignalfd))
        .Opens(),
    MakeRow(Sys::timerfd_create, Enum("clockid", Set::kClockId), Flags("flags", Set::kTimerfd))
        .Opens(),
    MakeRow(Sys::timerfd_settime, FdArg("fd"), Flags("flags", Set::kTimerfdSettime),
            In("new_value", Type::kItimerspec), Out("old_value", Type::kItimerspec)),
    MakeRow(Sys::timerfd_gettime, FdArg("fd"), Out("curr_value", Type::kItimerspec)),
    MakeRow(Sys::inotify_init).Opens(),
    MakeRow(Sys::inotify_init1, Flags("flags", Set::kInotifyInit)).Opens(),
    MakeRow(Sys::inotify_add_watch, FdArg("fd"), Path(), Flags("mask", Set::kInotifyMask)),
    MakeRow(Sys::inotify_rm_watch, FdArg("fd"), Int("wd")),
    MakeRow(Sys::fanotify_init, Flags("flags", Set::kFanotifyInit),
            Flags("event_f_flags", Set::kOpen))
        .Opens(),
    MakeRow(Sys::fanotify_mark, FdArg("fanotify_fd"), Flags("flags", Set::kFanotifyMark),
            Hex("mask"), DirFd(), Path()),
    MakeRow(Sys::memfd_create, Str("name"), Flags("flags", Set::kMemfd)).Opens(),
    MakeRow(Sys::memfd_secret, Uint("flags"))
        .Deny(ENOSYS, "memory that no supervisor can read can't be recorded"),
    MakeRow(Sys::userfaultfd, Flags("flags", Set::kPipe))
        .Deny(ENOSYS, "page faults answered by the program itself aren't events yet"),
    // Asynchronous reading and writing.
    MakeRow(Sys::io_setup, Uint("nr_events"), Out("ctx_idp", Type::kPointerWord))
        .Deny(ENOSYS, "the kernel writes results into memory at any time; programs fall back"),
    MakeRow(Sys::io_destroy, Hex("ctx_id")).Deny(ENOSYS, "see io_setup"),
    MakeRow(Sys::io_getevents, Hex("ctx_id"), Long("min_nr"), Long("nr"),
            Out("events", Type::kOpaque, ByResult(2, 32)), InOut("timeout", Type::kTimespec))
        .Blocks()
        .Deny(ENOSYS, "see io_setup"),
    MakeRow(Sys::io_pgetevents, Hex("ctx_id"), Long("min_nr"), Long("nr"),
            Out("events", Type::kOpaque, ByResult(2, 32)), InOut("timeout", Type::kTimespec),
            In("sig", Type::kSelectSigmask))
        .Blocks()
        .Deny(ENOSYS, "see io_setup"),
    MakeRow(Sys::io_submit, Hex("ctx_id"), Long("nr"), Address("iocbpp"))
        .Blocks()
        .Deny(ENOSYS, "see io_setup"),
    MakeRow(Sys::io_cancel, Hex("ctx_id"), Address("iocb"), Out("result", Type::kOpaque, Bytes(32)))
        .Deny(ENOSYS, "see io_setup"),
    MakeRow(Sys::io_uring_setup, Uint("entries"), InOut("params", Type::kOpaque, Bytes(120)))
        .Opens()
        .Deny(ENOSYS, "rings shared with the kernel are written at any time; programs fall back"),
    MakeRow(Sys::io_uring_enter, FdArg("fd"), Uint("to_submit"), Uint("min_complete"), Hex("flags"),
            Address("argp"), Ulong("argsz"))
        .Blocks()
        .Deny(ENOSYS, "see io_uring_setup"),
    MakeRow(Sys::io_uring_register, FdArg("fd"), Uint("opcode"), Address("arg"), Uint("nr_args"))
        .Deny(ENOSYS, "see io_uring_setup"),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_IO_H_
