#include "snapshot/block_packer.h"

#include <algorithm>

namespace retake {
namespace {

constexpr unsigned kMostThreads = 8;

}  // namespace

BlockPacker::~BlockPacker() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  added_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BlockPacker::Start() {
  unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
  for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { Work(); });
}

void BlockPacker::Work() {
  SectionPacker packer;
  std::unique_lock lock(mutex_);
  for (;;) {
    added_.wait(lock, [&] { return ending_ || begun_ < jobs_.size(); });
    if (ending_) return;
    Job& job = *jobs_[begun_++];
    lock.unlock();
    packer.Pack(kind_, 0, job.block, level_, job.packed);
    lock.lock();
    job.done = true;
    packed_.notify_one();
  }
}

Status BlockPacker::Add(std::vector<uint8_t>& block) {
  if (threads_.empty()) {
    if (!has_first_) {
      first_.swap(block);
      has_first_ = true;
      return {};
    }
    Start();
    has_first_ = false;
    TRY(Add(first_));
  }
  std::unique_ptr<Job> job = free_.empty() ? std::make_unique<Job>() : std::move(free_.back());
  if (!free_.empty()) free_.pop_back();
  job->done = false;
  job->block.swap(block);
  block.clear();
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  added_.notify_one();
  constexpr size_t kPerThread = 3;
  return WriteDone(threads_.size() * kPerThread);
}

Status BlockPacker::WriteDone(size_t most) {
  std::unique_lock lock(mutex_);
  while (!jobs_.empty()) {
    if (!jobs_.front()->done) {
      if (jobs_.size() <= most) return {};
      packed_.wait(lock, [&] { return jobs_.front()->done; });
    }
    std::unique_ptr<Job> job = std::move(jobs_.front());
    jobs_.pop_front();
    --begun_;
    lock.unlock();
    TRY(archive_.Append(job->packed));
    free_.push_back(std::move(job));
    lock.lock();
  }
  return {};
}

Status BlockPacker::Finish() {
  if (!has_first_) return WriteDone(0);
  has_first_ = false;
  return archive_.Append(kind_, first_, level_);
}

}  // namespace retake
