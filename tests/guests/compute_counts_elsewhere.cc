// R06: a timer interrupts code that only reads, called over and over by a loop that counts where
// that code never comes near: in its own frame far up the stack, in a global variable, in memory
// from the heap.
//! case: frame frame
//! case: global global
//! case: heap heap
#include <sys/time.h>

#include "guest.h"

static volatile int handled;
static volatile uint64_t global_count;

// Some hundred instructions that write nothing, and differ in nothing from call to call.
__attribute__((noinline)) static const char* Search() { return getenv("RETAKE_NOT_THERE"); }

// As far down the stack as real programs call.
__attribute__((noinline)) static void Descend(int levels) {
  volatile char frame[64];
  frame[0] = static_cast<char>(levels);
  if (levels > 0) {
    Descend(levels - 1);
  } else {
    Search();
  }
  frame[1] = frame[0];
}

int main(int, char** argv) {
  std::string where = argv[1];
  for (int i = 0; i < 40; ++i) {
    std::string number = std::to_string(i);
    CHECK(setenv(("RETAKE_NOT_" + number).c_str(), number.c_str(), 1) == 0);
  }
  Handle(SIGALRM, [](int) { handled = handled + 1; });
  // As many rounds as take minutes if each of them is looked at by a stop.
  itimerval timer = {{0, 0}, {0, 400'000 / Slowness()}};
  uint64_t count = 0;
  CHECK(setitimer(ITIMER_REAL, &timer, nullptr) == 0);
  if (where == "frame") {
    volatile uint64_t own_count = 0;
    while (handled == 0) {
      Descend(5);
      own_count = own_count + 1;
    }
    count = own_count;
  } else {
    auto* heap_count = static_cast<volatile uint64_t*>(calloc(1, sizeof(uint64_t)));
    volatile uint64_t* counter = where == "heap" ? heap_count : &global_count;
    while (handled == 0) {
      Search();
      *counter = *counter + 1;
    }
    count = *counter;
  }
  Say("handled %d", handled);
  Vary("after %lu calls", static_cast<unsigned long>(count));
}
