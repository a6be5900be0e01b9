// Where traces live: $RETAKE_DIR, else $XDG_DATA_HOME/retake, else ~/.local/share/retake; each as
// NAME-N; `latest` is a symlink to the newest, replaced by rename.
#ifndef RETAKE_REPLAY_TRACE_STORE_H_
#define RETAKE_REPLAY_TRACE_STORE_H_

#include <string>
#include <vector>

#include "base/result.h"

namespace retake {

// The store's directory (not made). Fails, naming -o, if no candidate can be had ($HOME unset and
// so on).
Result<std::string> TraceStoreDirectory();

// Makes the store if need be and a new empty directory NAME-N in it (mode 0700), NAME from the
// program's basename with anything odd replaced; safe against others doing the same at once. Fails,
// naming -o, if none is writable.
Result<std::string> NewTraceDirectory(const std::string& program);

// Makes `directory` (mode 0700) or accepts it if it is an empty directory; fails otherwise.
Status PrepareTraceDirectory(const std::string& directory);

// Points `latest` at a trace of the store. A no-op for a directory elsewhere.
Status SetLatest(const std::string& directory);

// What a user means by `name`: empty or "latest" is the newest; a path with a slash or an existing
// directory is itself; anything else is a trace of the store.
Result<std::string> ResolveTrace(const std::string& name);

// Names of the store's traces, oldest first.
Result<std::vector<std::string>> ListTraces();

// Removes a trace directory and all in it; refuses (with a sentence) a directory that is no trace.
Status RemoveTrace(const std::string& directory);

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_STORE_H_
