// SideBySide: work in pieces, on several CPUs.
#ifndef RETAKE_BASE_SIDE_BY_SIDE_H_
#define RETAKE_BASE_SIDE_BY_SIDE_H_

#include <cstddef>
#include <functional>

#include "base/result.h"

namespace retake {

// How many threads so many pieces are done on: one per CPU at most, and eight in all.
size_t ThreadsFor(size_t pieces);

// Calls work(thread, piece) once for each piece, on ThreadsFor(pieces) threads of which the calling
// one is number 0; on fewer, where the system gives no more. Each thread takes the first piece that
// nobody has begun. After a failure no more are begun; the result is that of one that failed.
Status SideBySide(size_t pieces, const std::function<Status(size_t thread, size_t piece)>& work);

}  // namespace retake

#endif  // RETAKE_BASE_SIDE_BY_SIDE_H_
