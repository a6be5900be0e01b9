// The directories of the user's cache, ${XDG_CACHE_HOME:-~/.cache}/retake.
#ifndef RETAKE_REPLAY_USER_CACHE_H_
#define RETAKE_REPLAY_USER_CACHE_H_

#include "base/fd.h"

namespace retake {

// One of them, made if need be. None if it can't be made, or if it isn't the user's own (HOME kept
// by sudo, a shared XDG_CACHE_HOME): whoever writes there decides what a recording holds.
Fd OpenUserCache(const char* name);

}  // namespace retake

#endif  // RETAKE_REPLAY_USER_CACHE_H_
