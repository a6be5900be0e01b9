// R07: the counter read by code that the program makes while it runs: behind other code that was
// executed before, on the same page; made writable and executable in turn; in a child; moved; read
// from a file. Where nothing makes the instruction trap, each has to be found before it is
// executed.
#include <setjmp.h>
#include <sys/mman.h>

#include <cstring>

#include "guest.h"
#include "guest_arch.h"

using Function = uint64_t (*)();

static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
static uint64_t last;

static char* Map(size_t pages, int prot) {
  void* mapped = mmap(nullptr, pages * page, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapped != MAP_FAILED);
  return static_cast<char*>(mapped);
}

template <size_t kSize>
static void Put(char* at, const uint8_t (&code)[kSize]) {
  memcpy(at, code, kSize);
  __builtin___clear_cache(at, at + kSize);
}

static uint64_t Run(char* at) { return reinterpret_cast<Function>(at)(); }

static void RunCounter(const char* where, char* at) {
  uint64_t now = Run(at);
  CHECK(now >= last);
  last = now;
  Vary("%s %lu", where, now);
}

// Twice something else runs on the page, the code being made between.
static void BehindOtherCode() {
  char* code = Map(2, PROT_READ | PROT_WRITE | PROT_EXEC);
  Put(code, kReturnSeven);
  CHECK(Run(code) == 7);
  CHECK(Run(code) == 7);
  Put(code + 256, kReturnCounter);
  RunCounter("behind other code", code + 256);
  RunCounter("again", code + 256);
  Put(code + page, kReturnCounter);
  RunCounter("on the next page", code + page);
  InChild([&] { RunCounter("child", code + 256); });
}

// The kernel writes where code was executed.
static void ReadFromFile() {
  char* code = Map(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  Put(code, kReturnSeven);
  CHECK(Run(code) == 7);
  int ends[2];
  CHECK(pipe(ends) == 0);
  CHECK(write(ends[1], kReturnCounter, sizeof kReturnCounter) == sizeof kReturnCounter);
  CHECK(read(ends[0], code + 256, sizeof kReturnCounter) == sizeof kReturnCounter);
  __builtin___clear_cache(code + 256, code + 256 + sizeof kReturnCounter);
  RunCounter("read from a pipe", code + 256);
}

static void WritableInTurn() {
  char* code = Map(1, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 3; ++i) {
    CHECK(mprotect(code, page, PROT_READ | PROT_WRITE) == 0);
    Put(code + 128 * i, kReturnCounter);
    CHECK(mprotect(code, page, PROT_READ | PROT_EXEC) == 0);
    RunCounter("in turn", code + 128 * i);
  }
}

static void Moved() {
  char* code = Map(4, PROT_READ | PROT_WRITE | PROT_EXEC);
  Put(code + 2 * page, kReturnCounter);
  char* room = Map(8, PROT_NONE);
  void* moved = mremap(code, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, room);
  CHECK(moved == room);
  __builtin___clear_cache(room, room + 4 * page);
  RunCounter("moved", room + 2 * page);
}

static sigjmp_buf back;
static siginfo_t fault;

// What can't be executed still can't.
static void NotExecutable() {
  char* code = Map(1, PROT_READ | PROT_WRITE | PROT_EXEC);
  Put(code, kReturnSeven);
  CHECK(mprotect(code, page, PROT_READ | PROT_WRITE) == 0);
  struct sigaction action = {};
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    fault = *info;
    siglongjmp(back, 1);
  };
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSEGV, &action, nullptr) == 0);
  if (sigsetjmp(back, 1) == 0) Say("returned %lu", Run(code));
  Say("fault of access %d, at the code %d", fault.si_code == SEGV_ACCERR, fault.si_addr == code);
  CHECK(mprotect(code, page, PROT_READ | PROT_EXEC) == 0);
  Say("then %lu", Run(code));
}

int main() {
  last = ReadCounter();
  BehindOtherCode();
  ReadFromFile();
  WritableInTurn();
  Moved();
  NotExecutable();
  Say("forward");
}
