// TraceBackground: the thread behind a TraceWriter. The tracer thread hands it work (blobs to link
// or write, sections to append) and goes on; it works in the order given, compresses, writes, and
// remembers the first failure, after which it drops what comes.
//
// The thread keeps off the tracer's CPU where it may run on another, blocks all signals (they are
// for the tracer), and makes no ptrace or wait call.
#ifndef RETAKE_REPLAY_TRACE_BACKGROUND_H_
#define RETAKE_REPLAY_TRACE_BACKGROUND_H_

#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "archive/archive.h"
#include "base/fd.h"
#include "base/result.h"

namespace retake {

// A blob of the cache's to be put into the trace.
struct LinkBlobJob {
  std::string hash;
  Fd file;
};
struct WriteBlobJob {
  std::string hash;
  std::vector<uint8_t> bytes;
};
struct SectionJob {
  uint16_t kind = 0;
  std::vector<uint8_t> payload;
  uint64_t events = 0;  // in the payload
};
using TraceJob = std::variant<LinkBlobJob, WriteBlobJob, SectionJob>;

class TraceBackground {
 public:
  struct Setup {
    std::unique_ptr<ArchiveWriter> events;
    int cache_blobs = -1;                // directory of the cache's blobs, -1 if there is none
    std::function<Result<int>()> blobs;  // the trace's blob directory, made at the first call
    int compression_level = 1;
    std::chrono::milliseconds period{100};
    int avoid_cpu = -1;
    // Called by the thread when `period` has gone by since WakeLater(): queues what has been
    // gathered, with PushAtOnce. It goes through the queue like everything else, since what it uses
    // may stand there.
    std::function<void()> collect;
  };

  explicit TraceBackground(Setup setup);
  ~TraceBackground();

  // Hands over work; waits if too much is waiting already.
  void Push(TraceJob job);
  // The same without waiting: for the thread itself.
  void PushAtOnce(TraceJob job);
  // Asks for `collect` to be called one period from now.
  void WakeLater();
  // Does all that is waiting, here if the thread sleeps, and ends the thread. Idempotent.
  void Stop();

  void Fail(Error error);
  Status health() const;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // Events in sections that were written.
  uint64_t events_written() const { return events_written_; }
  // After Stop(), for sealing.
  ArchiveWriter& events() { return *setup_.events; }

 private:
  void Run();
  void Perform(TraceJob& job);
  Status Link(LinkBlobJob& job);
  Status Write(const WriteBlobJob& job);
  Status AppendSection(const SectionJob& job);
  // Objects come one at a time and are many at a program's start: they wait here for the next other
  // section.
  Status FlushObjects();
  // Keeps the first failure.
  void Note(Status done);

  Setup setup_;
  std::vector<uint8_t> objects_;
  std::atomic<uint64_t> events_written_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable wake_;     // work has come, or the end
  std::condition_variable drained_;  // room for more
  std::deque<TraceJob> jobs_;
  size_t waiting_bytes_ = 0;
  bool stopping_ = false;
  bool asleep_ = false;      // the thread waits for work, and has done all before it
  bool taken_over_ = false;  // what is left is done by who stops the thread
  std::chrono::steady_clock::time_point collect_at_ = std::chrono::steady_clock::time_point::max();
  Status failure_;
  std::atomic<bool> failed_ = false;
  std::thread thread_;
};

}  // namespace retake

#endif  // RETAKE_REPLAY_TRACE_BACKGROUND_H_
