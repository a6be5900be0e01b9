// The husk: a tiny static ELF program of this architecture that only stops. Replay and restore
// start it, unmap what it has and make the wanted process of it. It is linked below the stub page
// (stub/layout.h), so that the stub can be mapped before the husk's own page goes.
#ifndef RETAKE_STUB_HUSK_H_
#define RETAKE_STUB_HUSK_H_

#include "base/bytes.h"

namespace retake {

// The whole file, to be written to a memfd and executed. Lives as long as the program.
ByteSpan HuskElf();

}  // namespace retake

#endif  // RETAKE_STUB_HUSK_H_
