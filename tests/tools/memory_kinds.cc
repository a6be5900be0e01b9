// Memory of every kind, which is looked at before and after a file "go" appears: says "same" if all
// of it is as it was, mappings, protections and contents.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

const size_t kPage = static_cast<size_t>(sysconf(_SC_PAGESIZE));
constexpr size_t kPages = 16;

sigjmp_buf faulted;

void OnFault(int) { siglongjmp(faulted, 1); }

bool CanRead(const volatile char* at) {
  signal(SIGSEGV, OnFault);
  if (sigsetjmp(faulted, 1) != 0) return false;
  (void)*at;
  return true;
}

bool CanWrite(volatile char* at) {
  signal(SIGSEGV, OnFault);
  if (sigsetjmp(faulted, 1) != 0) return false;
  char before = *at;
  *at = before;
  return true;
}

char* Map(int prot, int flags, int fd = -1) {
  void* at = mmap(nullptr, kPages * kPage, prot, flags, fd, 0);
  if (at == MAP_FAILED) abort();
  return static_cast<char*>(at);
}

// Addresses and protections. Neighbours with the same ones may be one mapping or two: that is the
// kernel's business.
std::string ReadMaps() {
  std::ifstream file("/proc/self/maps");
  std::string line, out, before_end, before_prot;
  while (std::getline(file, line)) {
    size_t dash = line.find('-');
    size_t space = line.find(' ');
    std::string start = line.substr(0, dash);
    std::string end = line.substr(dash + 1, space - dash - 1);
    std::string prot = line.substr(space + 1, 4);
    if (start != before_end || prot != before_prot)
      out += before_end + "\n" + start + " " + prot + " ";
    before_end = end;
    before_prot = prot;
  }
  return out + before_end;
}

uint64_t Sum(const char* at, size_t size) {
  uint64_t sum = 14695981039346656037ULL;
  for (size_t i = 0; i < size; ++i)
    sum = (sum ^ static_cast<unsigned char>(at[i])) * 1099511628211ULL;
  return sum;
}

int failures = 0;

void Check(bool holds, const char* what) {
  if (holds) return;
  printf("not as it was: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  int file = open("mapped", O_RDWR | O_CREAT, 0600);
  std::vector<char> contents(kPages * kPage);
  for (size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>(i * 7);
  if (write(file, contents.data(), contents.size()) < 0) return 2;

  char* plain = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  memset(plain, 1, 3 * kPage);
  char* untouched = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  char* file_private = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE, file);
  file_private[5 * kPage] = 'x';
  memset(file_private + 7 * kPage, 0, kPage);
  char* file_shared = Map(PROT_READ | PROT_WRITE, MAP_SHARED, file);
  char* read_only = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  memset(read_only, 2, kPages * kPage);
  mprotect(read_only, kPages * kPage, PROT_READ);
  char* none = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  memset(none, 3, kPages * kPage);
  mprotect(none, kPages * kPage, PROT_NONE);
  char* code = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  memset(code, 4, kPage);
  mprotect(code, kPages * kPage, PROT_READ | PROT_EXEC);
  char* shared = Map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
  memset(shared, 5, 2 * kPage);
  int gone = open("gone", O_RDWR | O_CREAT, 0600);
  if (write(gone, contents.data(), contents.size()) < 0) return 2;
  char* deleted = Map(PROT_READ, MAP_PRIVATE, gone);
  unlink("gone");
  close(gone);
  char* advised = Map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  madvise(advised, kPages * kPage, MADV_DONTFORK);
  memset(advised, 6, kPage);
  char* heap = static_cast<char*>(sbrk(0));

  std::string maps = ReadMaps();
  uint64_t sums[] = {Sum(plain, kPages * kPage), Sum(file_private, kPages * kPage),
                     Sum(read_only, kPages * kPage), Sum(deleted, kPages * kPage)};
  pid_t child = fork();
  if (child == 0) {
    while (access("go", F_OK) != 0) usleep(10'000);
    shared[9] = 'c';
    _exit(Sum(plain, kPages * kPage) == sums[0] ? 0 : 1);
  }
  puts("ready");
  fflush(stdout);
  while (access("go", F_OK) != 0) usleep(10'000);

  Check(ReadMaps() == maps, "the mappings");
  Check(Sum(plain, kPages * kPage) == sums[0], "anonymous memory");
  Check(Sum(untouched, kPages * kPage) ==
            Sum(std::string(kPages * kPage, '\0').data(), kPages * kPage),
        "memory that was never written");
  Check(Sum(file_private, kPages * kPage) == sums[1], "a file mapped privately");
  Check(Sum(read_only, kPages * kPage) == sums[2] && !CanWrite(read_only), "read-only memory");
  Check(Sum(deleted, kPages * kPage) == sums[3], "a deleted file mapped privately");
  Check(!CanRead(none), "memory that can't be read");
  mprotect(none, kPages * kPage, PROT_READ);
  Check(none[0] == 3 && none[kPages * kPage - 1] == 3, "what such memory holds");
  Check(code[0] == 4 && !CanWrite(code), "code");
  int status = -1;
  waitpid(child, &status, 0);
  Check(status == 0, "a child's memory");
  Check(shared[9] == 'c' && shared[0] == 5 && shared[2 * kPage] == 0, "memory shared with a child");
  file_shared[0] = 'F';
  char byte = 0;
  Check(pread(file, &byte, 1, 0) == 1 && byte == 'F', "a file mapped shared");
  Check(advised[0] == 6, "memory that children don't get");
  Check(sbrk(0) == heap && sbrk(static_cast<intptr_t>(kPage)) == heap, "the heap's end");
  heap[0] = 'h';
  // The stack still grows.
  volatile char deep[1 << 20];
  for (size_t i = 0; i < sizeof deep; i += kPage) deep[i] = 's';
  puts(failures == 0 ? "same" : "differs");
  return failures;
}
