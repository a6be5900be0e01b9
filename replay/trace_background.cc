#include "replay/trace_background.h"

#include <signal.h>

#include "base/clock.h"
#include "replay/blob_file.h"
#include "replay/trace_format.h"

namespace retake {
namespace {

// The tracer waits when more than this is queued, in bytes: a disk that can't keep up must slow the
// recording, not fill the memory.
constexpr size_t kMaxWaitingBytes = size_t{64} << 20;

void KeepOffCpu(int cpu) {
  cpu_set_t allowed;
  if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_CLR(cpu, &allowed);
  if (CPU_COUNT(&allowed) > 0) sched_setaffinity(0, sizeof allowed, &allowed);
}

size_t BytesOf(const TraceJob& job) {
  if (const auto* section = std::get_if<SectionJob>(&job)) return section->payload.size();
  if (const auto* blob = std::get_if<WriteBlobJob>(&job)) return blob->bytes.size();
  return 0;
}

}  // namespace

TraceBackground::TraceBackground(Setup setup) : setup_(std::move(setup)) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TraceBackground::~TraceBackground() { Stop(); }

void TraceBackground::Push(TraceJob job) {
  size_t bytes = BytesOf(job);
  std::unique_lock lock(mutex_);
  drained_.wait(lock,
                [&] { return waiting_bytes_ == 0 || waiting_bytes_ + bytes <= kMaxWaitingBytes; });
  waiting_bytes_ += bytes;
  jobs_.push_back(std::move(job));
  lock.unlock();
  wake_.notify_one();
}

void TraceBackground::PushAtOnce(TraceJob job) {
  std::lock_guard lock(mutex_);
  waiting_bytes_ += BytesOf(job);
  jobs_.push_back(std::move(job));
}

void TraceBackground::WakeLater() {
  auto when = SteadyNow() + setup_.period;
  std::unique_lock lock(mutex_);
  if (collect_at_ <= when) return;
  collect_at_ = when;
  lock.unlock();
  wake_.notify_one();
}

void TraceBackground::Stop() {
  if (!thread_.joinable()) return;
  std::deque<TraceJob> jobs;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    // To wake it on another CPU and wait takes as long as what is usually left.
    taken_over_ = asleep_;
    if (taken_over_) jobs.swap(jobs_);
  }
  wake_.notify_one();
  for (TraceJob& job : jobs) Perform(job);
  if (taken_over_) Note(FlushObjects());
  thread_.join();
}

void TraceBackground::Note(Status done) {
  if (!done.ok()) Fail(done.TakeError());
}

void TraceBackground::Fail(Error error) {
  std::lock_guard lock(mutex_);
  if (failed_) return;
  failure_ = std::move(error);
  failed_.store(true, std::memory_order_release);
}

Status TraceBackground::health() const {
  if (!failed()) return {};
  std::lock_guard lock(mutex_);
  return failure_;
}

void TraceBackground::Run() {
  KeepOffCpu(setup_.avoid_cpu);
  std::unique_lock lock(mutex_);
  while (!taken_over_) {
    if (!jobs_.empty()) {
      TraceJob job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      size_t bytes = BytesOf(job);
      Perform(job);
      lock.lock();
      waiting_bytes_ -= bytes;
      drained_.notify_one();
      continue;
    }
    if (!objects_.empty()) {  // nothing else to do: don't keep them
      lock.unlock();
      Note(FlushObjects());
      lock.lock();
      continue;
    }
    if (stopping_) return;
    auto now = SteadyNow();
    if (now >= collect_at_) {
      collect_at_ = std::chrono::steady_clock::time_point::max();
      lock.unlock();
      setup_.collect();
      lock.lock();
      continue;
    }
    asleep_ = true;
    if (collect_at_ == std::chrono::steady_clock::time_point::max()) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, collect_at_);
    }
    asleep_ = false;
  }
}

void TraceBackground::Perform(TraceJob& job) {
  if (failed()) return;
  Status done;
  if (auto* link = std::get_if<LinkBlobJob>(&job)) {
    done = Link(*link);
  } else if (auto* blob = std::get_if<WriteBlobJob>(&job)) {
    done = Write(*blob);
  } else {
    done = AppendSection(std::get<SectionJob>(job));
  }
  Note(std::move(done));
}

Status TraceBackground::Link(LinkBlobJob& job) {
  int blobs = TRY(setup_.blobs());
  return LinkBlob(job.file.get(), job.hash, setup_.cache_blobs, blobs, job.hash);
}

Status TraceBackground::Write(const WriteBlobJob& job) {
  int blobs = TRY(setup_.blobs());
  return WriteBlob(job.bytes, job.hash, blobs, job.hash);
}

Status TraceBackground::AppendSection(const SectionJob& job) {
  if (job.kind == kObjectsSection) {
    objects_.insert(objects_.end(), job.payload.begin(), job.payload.end());
    return {};
  }
  TRY(FlushObjects());
  TRY(setup_.events->Append(job.kind, job.payload, setup_.compression_level));
  events_written_ += job.events;
  return {};
}

Status TraceBackground::FlushObjects() {
  if (objects_.empty()) return {};
  std::vector<uint8_t> objects = std::exchange(objects_, {});
  return setup_.events->Append(kObjectsSection, objects, setup_.compression_level);
}

}  // namespace retake
