// Rows of calls on clocks, sleeps and timers.
#ifndef RETAKE_SYSCALLS_ROWS_TIME_H_
#define RETAKE_SYSCALLS_ROWS_TIME_H_

#include "syscalls/row.h"

namespace retake {

inline constexpr Row kTimeRows[] = {
    MakeRow(Sys::time, Out("tloc", Type::kTimeT)),
    MakeRow(Sys::gettimeofday, Out("tv", Type::kTimeval), Out("tz", Type::kTimezone)),
    MakeRow(Sys::settimeofday, In("tv", Type::kTimeval), In("tz", Type::kTimezone)),
    MakeRow(Sys::clock_gettime, Enum("clockid", Set::kClockId), Out("tp", Type::kTimespec)),
    MakeRow(Sys::clock_settime, Enum("clockid", Set::kClockId), In("tp", Type::kTimespec)),
    MakeRow(Sys::clock_getres, Enum("clockid", Set::kClockId), Out("res", Type::kTimespec)),
    MakeRow(Sys::clock_adjtime, Enum("clockid", Set::kClockId), InOut("buf", Type::kTimex)),
    MakeRow(Sys::adjtimex, InOut("buf", Type::kTimex)),
    MakeRow(Sys::times, Out("buf", Type::kTms)),
    MakeRow(Sys::nanosleep, In("req", Type::kTimespec), Out("rem", Type::kTimespec).Interrupted())
        .Blocks()
        .Why("the time left is written when a signal interrupts it, restarts included"),
    MakeRow(Sys::clock_nanosleep, Enum("clockid", Set::kClockId),
            Flags("flags", Set::kTimerSettime), In("request", Type::kTimespec),
            Out("remain", Type::kTimespec).Interrupted())
        .Blocks()
        .Why("the time left is written when a signal interrupts it, restarts included"),
    MakeRow(Sys::alarm, Uint("seconds")),
    MakeRow(Sys::getitimer, Enum("which", Set::kItimerWhich), Out("curr_value", Type::kItimerval)),
    MakeRow(Sys::setitimer, Enum("which", Set::kItimerWhich), In("new_value", Type::kItimerval),
            Out("old_value", Type::kItimerval)),
    MakeRow(Sys::timer_create, Enum("clockid", Set::kClockId), In("sevp", Type::kSigevent),
            InOut("timerid", Type::kIntWord).Always()),
    MakeRow(Sys::timer_settime, Int("timerid"), Flags("flags", Set::kTimerSettime),
            In("new_value", Type::kItimerspec), Out("old_value", Type::kItimerspec)),
    MakeRow(Sys::timer_gettime, Int("timerid"), Out("curr_value", Type::kItimerspec)),
    MakeRow(Sys::timer_getoverrun, Int("timerid")),
    MakeRow(Sys::timer_delete, Int("timerid")),
};

}  // namespace retake

#endif  // RETAKE_SYSCALLS_ROWS_TIME_H_
