// What checkpoints are measured on: touches so many MiB, half of the pages with random bytes, has
// so many threads and so many children with a pipe each, says "ready" and waits.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace {

void Touch(size_t bytes) {
  constexpr size_t kPage = 4096;
  if (bytes == 0) return;
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) abort();
  uint64_t random = 88172645463325252ULL;  // xorshift64
  auto* start = static_cast<char*>(at);
  for (size_t page = 0; page < bytes / kPage; ++page) {
    if (page % 2 == 0) {
      memset(start + page * kPage, static_cast<int>(page & 0xff), kPage);
      continue;
    }
    for (size_t i = 0; i < kPage; i += sizeof random) {
      random ^= random << 13;
      random ^= random >> 7;
      random ^= random << 17;
      memcpy(start + page * kPage + i, &random, sizeof random);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  auto number = [&](int index) { return argc > index ? strtoul(argv[index], nullptr, 10) : 0; };
  Touch(number(1) << 20);
  for (unsigned long i = 0; i < number(2); ++i) std::thread([] { pause(); }).detach();
  for (unsigned long i = 0; i < number(3); ++i) {
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "hello", 5) != 5) return 1;
    if (fork() == 0) {
      pause();
      _exit(0);
    }
  }
  puts("ready");
  fflush(stdout);
  pause();
}
