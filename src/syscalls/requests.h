// Calls that are many: tables by request number (ioctl, fcntl, prctl, ...). Each table's rows are
// in requests_*.cc.
#ifndef RETAKE_SYSCALLS_REQUESTS_H_
#define RETAKE_SYSCALLS_REQUESTS_H_

#include "syscalls/row.h"

namespace retake {

extern const SubTable kIoctl;
extern const SubTable kFcntl;
extern const SubTable kPrctl;
extern const SubTable kArchPrctl;
extern const SubTable kFutex;
extern const SubTable kShmctl;
extern const SubTable kSemctl;
extern const SubTable kMsgctl;
extern const SubTable kKeyctl;

}  // namespace retake

#endif  // RETAKE_SYSCALLS_REQUESTS_H_
