// R05: threads that map, protect, move, grow and give back memory that the others use.
//! link: threads
#include "thread_guest.h"

int main() {
  pthread_barrier_t barrier;
  CHECK(pthread_barrier_init(&barrier, nullptr, 2) == 0);
  char* area = nullptr;
  uint64_t seen[6] = {};
  WriteFile("mapped", Pattern(8192));
  Thread other([&] {
    for (int step = 0; step < 6; ++step) {
      pthread_barrier_wait(&barrier);
      seen[step] = Digest(area, step == 3 ? 16384 : 8192);
      if (step < 2) area[step] = 'o';
      pthread_barrier_wait(&barrier);
    }
  });
  auto step = [&] {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
  };
  area = static_cast<char*>(
      mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(area, 'a', 8192);
  step();
  int fd = open("mapped", O_RDWR);
  CHECK(mmap(area, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == area);
  step();
  Say("the other wrote %c%c", area[0], area[1]);
  CHECK(mprotect(area, 4096, PROT_READ) == 0);
  step();
  CHECK(mprotect(area, 4096, PROT_READ | PROT_WRITE) == 0);
  area = static_cast<char*>(mremap(area, 8192, 16384, MREMAP_MAYMOVE));
  CHECK(area != MAP_FAILED);
  CHECK(mmap(area + 8192, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) == area + 8192);
  step();
  CHECK(madvise(area + 8192, 4096, MADV_DONTNEED) == 0);
  CHECK(madvise(area, 8192, MADV_DONTNEED) == 0);
  step();
  CHECK(munmap(area + 8192, 8192) == 0);
  step();
  other.Join();
  for (uint64_t digest : seen) Say("%016lx", static_cast<unsigned long>(digest));
  // Arenas of the allocator, one per thread, with what others free.
  std::vector<char*> blocks[4];
  std::vector<std::unique_ptr<Thread>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      for (int j = 0; j < 60; ++j) {
        size_t size = static_cast<size_t>(j * 977 % 5000 + (j % 20 == 0 ? 200'000 : 1));
        char* block = static_cast<char*>(malloc(size));
        memset(block, i + j, size);
        blocks[i].push_back(block);
        if (j % 15 == 0) sched_yield();
      }
    }));
  }
  threads.clear();
  uint64_t sum = 0;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::make_unique<Thread>([&, i] {
      for (char* block : blocks[(i + 1) % 4]) {
        __atomic_add_fetch(&sum, static_cast<unsigned char>(*block), __ATOMIC_SEQ_CST);
        free(block);
      }
    }));
  }
  threads.clear();
  Say("sum %lu", static_cast<unsigned long>(sum));
}
