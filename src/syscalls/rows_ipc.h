// Rows of System V and POSIX message queues, semaphores and shared memory, and of the kernel's
// keys.
#ifndef RETAKE_SYSCALLS_ROWS_IPC_H_
#define RETAKE_SYSCALLS_ROWS_IPC_H_

#include "syscalls/requests.h"
#include "syscalls/row.h"

namespace retake {

inline constexpr Row kIpcRows[] = {
    MakeRow(Sys::shmget, Enum("key", Set::kIpcKey), Ulong("size"), Flags("shmflg", Set::kShmget)),
    MakeRow(Sys::shmat, Int("shmid"), Address("shmaddr"), Flags("shmflg", Set::kShmat))
        .Maps(MapEffect::kAttach)
        .Results(ResultType::kHex),
    MakeRow(Sys::shmdt, Address("shmaddr")).Maps(MapEffect::kAttach),
    MakeRow(Sys::shmctl, Int("shmid"), Selector("cmd"), Address("buf")).With(kShmctl),
    MakeRow(Sys::semget, Enum("key", Set::kIpcKey), Int("nsems"), Flags("semflg", Set::kShmget)),
    MakeRow(Sys::semop, Int("semid"), In("sops", Type::kSembufs, ByArg(2, 6)), Uint("nsops"))
        .Blocks(),
    MakeRow(Sys::semtimedop, Int("semid"), In("sops", Type::kSembufs, ByArg(2, 6)), Uint("nsops"),
            In("timeout", Type::kTimespec))
        .Blocks(),
    MakeRow(Sys::semctl, Int("semid"), Int("semnum"), Selector("cmd"), Hex("arg"))
        .With(kSemctl)
        .Why("GETALL writes as many values as the set has, which the arguments don't say"),
    MakeRow(Sys::msgget, Enum("key", Set::kIpcKey), Flags("msgflg", Set::kShmget)),
    MakeRow(Sys::msgsnd, Int("msqid"),
            In("msgp", Type::kOpaque, {.kind = Sized::kArg, .arg = 2, .extra = 8}), Ulong("msgsz"),
            Flags("msgflg", Set::kMsgflg))
        .Blocks(),
    MakeRow(Sys::msgrcv, Int("msqid"),
            Out("msgp", Type::kOpaque, {.kind = Sized::kResult, .arg = 2, .extra = 8}),
            Ulong("msgsz"), Long("msgtyp"), Flags("msgflg", Set::kMsgflg))
        .Blocks(),
    MakeRow(Sys::msgctl, Int("msqid"), Selector("cmd"), Address("buf")).With(kMsgctl),
    MakeRow(Sys::mq_open, Str("name"), Flags("oflag", Set::kOpen), Mode("mode"),
            In("attr", Type::kMqAttr))
        .Opens(),
    MakeRow(Sys::mq_unlink, Str("name")),
    MakeRow(Sys::mq_timedsend, FdArg("mqdes"), In("msg_ptr", Type::kBuffer, ByArg(2)),
            Ulong("msg_len"), Uint("msg_prio"), In("abs_timeout", Type::kTimespec))
        .Blocks(),
    MakeRow(Sys::mq_timedreceive, FdArg("mqdes"), Out("msg_ptr", Type::kBuffer, ByResult(2)),
            Ulong("msg_len"), Out("msg_prio", Type::kUintWord), In("abs_timeout", Type::kTimespec))
        .Blocks(),
    MakeRow(Sys::mq_notify, FdArg("mqdes"), In("sevp", Type::kSigevent)),
    MakeRow(Sys::mq_getsetattr, FdArg("mqdes"), In("newattr", Type::kMqAttr),
            Out("oldattr", Type::kMqAttr)),
    MakeRow(Sys::add_key, Str("type"), Str("description"), In("payload", Type::kBuffer, ByArg(3)),
            Ulong("plen"), Int("keyring")),
    MakeRow(Sys::request_key, Str("type"), Str("description"), Str("callout_info"),
            Int("dest_keyring"))
        .Blocks(),
    MakeRow(Sys::keyctl, Selector("operation"), Hex("arg2"), Hex("arg3"), Hex("arg4"), Hex("arg5"))
        .Blocks()
        .With(kKeyctl)
        .Why("operations that aren't in the table are recorded by page difference"),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_IPC_H_
