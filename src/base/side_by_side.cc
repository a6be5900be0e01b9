#include "base/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace retake {

size_t ThreadsFor(size_t pieces) {
  constexpr unsigned kMost = 8;
  unsigned cpus = std::clamp(std::thread::hardware_concurrency(), 1U, kMost);
  return std::clamp<size_t>(pieces, 1, cpus);
}

Status SideBySide(size_t pieces, const std::function<Status(size_t thread, size_t piece)>& work) {
  std::vector<Status> ended(ThreadsFor(pieces));
  std::atomic<size_t> next = 0;
  auto run = [&](size_t thread) {
    for (size_t piece = 0; ended[thread].ok() && (piece = next.fetch_add(1)) < pieces;)
      ended[thread] = work(thread, piece);
    if (!ended[thread].ok()) next = pieces;
  };
  {
    std::vector<std::jthread> others;
    others.reserve(ended.size());
    try {
      for (size_t thread = 1; thread < ended.size(); ++thread) others.emplace_back(run, thread);
    } catch (const std::system_error&) {
      // A limit on processes: those that there are do all of it.
    }
    run(0);
  }
  for (const Status& status : ended) TRY(status);
  return {};
}

}  // namespace retake
