// R05: structures without locks, shared by threads that also make calls: a stack by compare and
// swap, a ring of one producer and one consumer, a seqlock, counters that share a cache line.
//! link: threads
#include "thread_guest.h"

struct Node {
  Node* next;
  int value;
};

static std::atomic<Node*> top{nullptr};
static std::atomic<uint32_t> head{0}, tail{0};
static int ring[16];
static std::atomic<uint32_t> sequence{0};
static std::atomic<uint64_t> pair[2];
static struct { std::atomic<long> one, two, three, four; } counters;

static void Push(Node* node) {
  node->next = top.load();
  while (!top.compare_exchange_weak(node->next, node)) {
  }
}

int main() {
  static Node nodes[4][100];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([i] {
      for (int j = 0; j < 100; ++j) {
        nodes[i][j].value = i * 100 + j;
        Push(&nodes[i][j]);
        if (j % 16 == 15) sched_yield();
      }
    }));
  }
  threads.clear();
  long sum = 0, count = 0;
  uint64_t order = 0;
  for (Node* node = top; node != nullptr; node = node->next) {
    sum += node->value;
    order = order * 31 + node->value;
    ++count;
  }
  Say("stack: %ld nodes, sum %ld", count, sum);
  Vary("order %016lx", static_cast<unsigned long>(order));

  uint64_t received = 0;
  int naps = 0;
  {
    Thread producer([] {
      for (int i = 0; i < 500; ++i) {
        while (tail.load() - head.load() == 16) sched_yield();
        ring[tail.load() % 16] = i * i;
        tail.fetch_add(1);
      }
    });
    for (int i = 0; i < 500; ++i) {
      while (tail.load() == head.load()) {
        ++naps;
        sched_yield();
      }
      received = received * 31 + ring[head.load() % 16];
      head.fetch_add(1);
    }
  }
  Say("ring: %016lx", static_cast<unsigned long>(received));
  Vary("naps %d", naps);

  int torn = 0;
  uint64_t reads = 0;
  {
    Thread writer([] {
      for (uint64_t i = 1; i <= 300; ++i) {
        ++sequence;
        pair[0] = i;
        if (i % 20 == 0) sched_yield();
        pair[1] = i * i;
        ++sequence;
        if (i % 7 == 0) sched_yield();
      }
    });
    for (int i = 0; i < 300; ++i) {
      uint32_t before = sequence;
      uint64_t one = pair[0], two = pair[1];
      if (before % 2 != 0 || before != sequence) {
        sched_yield();
        continue;
      }
      torn += two != one * one;
      reads = reads * 31 + one;
      if (i % 5 == 0) sched_yield();
    }
  }
  Say("seqlock: torn %d, at last %lu", torn, static_cast<unsigned long>(pair[1].load()));
  Vary("reads %016lx", static_cast<unsigned long>(reads));

  std::atomic<long>* own[] = {&counters.one, &counters.two, &counters.three, &counters.four};
  for (auto* counter : own) {
    threads.push_back(std::make_unique<Thread>([counter] {
      for (int i = 0; i < 20'000; ++i) {
        counter->fetch_add(1, std::memory_order_relaxed);
        if (i % 5000 == 0) sched_yield();
      }
    }));
  }
  threads.clear();
  Say("counters %ld %ld %ld %ld", counters.one.load(), counters.two.load(), counters.three.load(),
      counters.four.load());
}
