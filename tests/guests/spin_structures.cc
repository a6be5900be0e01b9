// R05: what is built of spinning: a queue lock (MCS), a barrier that reverses its sense, a seqlock
// whose reader waits for the writer, Peterson's lock, a value that one thread makes and the others
// wait for.
//! link: threads
//! case: queue_lock queue_lock
//! case: barrier barrier
//! case: seqlock seqlock
//! case: peterson peterson
//! case: once once
#include "guest_arch.h"
#include "thread_guest.h"

struct Waiter {
  std::atomic<Waiter*> next{nullptr};
  std::atomic<bool> locked{false};
};

static std::atomic<Waiter*> last{nullptr};

static void QueueLock() {
  static std::atomic<long> count{0};
  long plain = 0;
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([&] {
      for (int j = 0; j < 15; ++j) {
        Waiter self;
        Waiter* before = last.exchange(&self);
        if (before != nullptr) {
          self.locked = true;
          before->next = &self;
          while (self.locked) Relax();
        }
        long seen = plain;
        if (j % 5 == 1) usleep(300);
        plain = seen + 1;
        Waiter* mine = &self;
        if (self.next == nullptr && last.compare_exchange_strong(mine, nullptr)) continue;
        while (self.next == nullptr) Relax();
        self.next.load()->locked = false;
      }
    }));
  }
  threads.clear();
  Say("count %ld", plain);
}

static void Barrier() {
  static std::atomic<int> arrived{0};
  static std::atomic<bool> sense{false};
  static int cells[3];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 3; ++i) {
    threads.push_back(std::make_unique<Thread>([i] {
      bool mine = false;
      auto wait = [&mine] {
        mine = !mine;
        if (arrived.fetch_add(1) == 2) {
          arrived = 0;
          sense = mine;
        } else {
          while (sense != mine) {
          }
        }
      };
      for (int round = 0; round < 8; ++round) {
        int left = cells[(i + 2) % 3];
        wait();
        cells[i] = cells[i] * 3 + left + i;
        if (round == i) usleep(300);
        wait();
      }
    }));
  }
  threads.clear();
  Say("cells %d %d %d", cells[0], cells[1], cells[2]);
}

static void Seqlock() {
  static std::atomic<uint32_t> sequence{0};
  static std::atomic<uint64_t> values[2];
  int torn = 0;
  uint64_t reads = 0;
  Thread writer([] {
    for (uint64_t i = 1; i <= 20; ++i) {
      ++sequence;
      values[0] = i;
      if (i % 5 == 0) usleep(300);
      values[1] = i * i;
      ++sequence;
      if (i % 7 == 0) usleep(100);
    }
  });
  for (uint64_t one = 0; one < 20;) {
    uint32_t before;
    uint64_t two;
    do {
      while ((before = sequence) % 2 != 0) {
      }
      one = values[0];
      two = values[1];
    } while (sequence != before);
    torn += two != one * one;
    reads += one == 20 ? 0 : 1;
    if (one < 20 && reads % 3 == 0) sched_yield();
  }
  writer.Join();
  Say("torn %d", torn);
  Vary("reads %lu", static_cast<unsigned long>(reads));
}

static void Peterson() {
  static std::atomic<bool> wants[2];
  static std::atomic<int> victim{0};
  long count = 0;
  auto run = [&](int self) {
    for (int j = 0; j < 15; ++j) {
      wants[self] = true;
      victim = self;
      while (wants[1 - self] && victim == self) Relax();
      long seen = count;
      if (j % 5 == self) usleep(300);
      count = seen + 1;
      wants[self] = false;
    }
  };
  {
    Thread one([&] { run(0); }), two([&] { run(1); });
  }
  Say("count %ld", count);
}

static void Once() {
  static std::atomic<int> state{0};
  static int value;
  std::atomic<long> sum{0};
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([&] {
      int none = 0;
      if (state.compare_exchange_strong(none, 1)) {
        usleep(2000);
        value = 4711;
        state = 2;
      }
      while (state != 2) {
      }
      sum += value;
    }));
  }
  threads.clear();
  Say("sum %ld", sum.load());
}

int main(int, char** argv) {
  std::string what = argv[1];
  if (what == "queue_lock") QueueLock();
  if (what == "barrier") Barrier();
  if (what == "seqlock") Seqlock();
  if (what == "peterson") Peterson();
  if (what == "once") Once();
}
