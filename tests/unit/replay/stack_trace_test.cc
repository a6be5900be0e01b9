// Stacks of real children, stopped at known places, and stacks and tables made of garbage.
#include "replay/stack_trace.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <libunwind.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>

#include "arch/unwind.h"
#include "base/fd.h"
#include "tests/unit/times.h"

namespace retake {

// The nests that children stop in. Not in the anonymous namespace: their names are what the test
// asks for. Each does something after its call, so that it stays a call.
volatile int stack_trace_sink = 0;
// What the innermost functions do. With a frame pointer at every optimisation: without one, and
// without tables, its caller can't be found.
__attribute__((optimize("O0", "no-omit-frame-pointer"))) void RaiseSignal(int signal) {
  raise(signal);
}
void (*volatile stack_trace_stop)(int) = RaiseSignal;

#define NEST __attribute__((noinline, noclone))
#define PLAIN optimize("O0", "no-omit-frame-pointer")
#define OPTIMIZED optimize("O2", "omit-frame-pointer", "no-optimize-sibling-calls")

NEST __attribute__((PLAIN)) void PlainInnermost(int signal) {
  stack_trace_stop(signal);
  stack_trace_sink = stack_trace_sink + 1;
}
NEST __attribute__((PLAIN)) void PlainMiddle(int signal) {
  PlainInnermost(signal);
  stack_trace_sink = stack_trace_sink + 1;
}
NEST __attribute__((PLAIN)) void PlainOuter(int signal) {
  PlainMiddle(signal);
  stack_trace_sink = stack_trace_sink + 1;
}

NEST __attribute__((OPTIMIZED)) void OptimizedInnermost(int signal) {
  stack_trace_stop(signal);
  stack_trace_sink = stack_trace_sink + 1;
}
NEST __attribute__((OPTIMIZED)) void OptimizedMiddle(int signal) {
  volatile char room[200];
  room[7] = static_cast<char>(signal);
  OptimizedInnermost(signal);
  stack_trace_sink = stack_trace_sink + room[7];
}
NEST __attribute__((OPTIMIZED)) void OptimizedOuter(int signal) {
  OptimizedMiddle(signal);
  stack_trace_sink = stack_trace_sink + 1;
}

NEST __attribute__((OPTIMIZED)) void StopHere(int) {
  raise(SIGSTOP);
  stack_trace_sink = stack_trace_sink + 1;
}

NEST __attribute__((PLAIN)) void CallThroughNull() {
  void (*volatile nothing)() = nullptr;
  nothing();
  stack_trace_sink = stack_trace_sink + 1;
}

NEST __attribute__((OPTIMIZED)) int Recurse(int depth) {
  if (depth == 0) raise(SIGSTOP);
  const int below = depth == 0 ? 0 : Recurse(depth - 1);
  return below + stack_trace_sink;
}

namespace {

class ChildMemory : public ReadableMemory {
 public:
  explicit ChildMemory(pid_t pid) : pid_(pid) {}
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const size_t here = std::min<uint64_t>(size - done, 4096 - (address + done) % 4096);
      const iovec local = {static_cast<char*>(buffer) + done, here};
      const iovec remote = {reinterpret_cast<void*>(address + done), here};
      if (process_vm_readv(pid_, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(here)) break;
      done += here;
    }
    return done;
  }

 private:
  pid_t pid_;
};

// A process's mappings, with the contents of the files that are mapped.
class Mappings {
 public:
  void Read(const std::string& process) {
    std::ifstream maps("/proc/" + process + "/maps");
    for (std::string line; std::getline(maps, line);) {
      uint64_t from = 0, to = 0, offset = 0;
      char prot[5] = {};
      int name = 0;
      ASSERT_EQ(sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &from,
                       &to, prot, &offset, &name),
                4);
      MappedObject object{from, to - from, offset, 0, line.substr(static_cast<size_t>(name)), {}};
      if (prot[0] == 'r') object.prot |= PROT_READ;
      if (prot[1] == 'w') object.prot |= PROT_WRITE;
      if (prot[2] == 'x') object.prot |= PROT_EXEC;
      if (object.name.starts_with('/')) object.bytes = Contents(object.name);
      objects.push_back(object);
    }
  }

  std::vector<MappedObject> objects;

 private:
  ByteSpan Contents(const std::string& path) {
    if (!files_.contains(path)) {
      Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      auto mapped = MappedFile::Map(fd.get());
      EXPECT_TRUE(mapped.ok()) << path;
      files_[path] = mapped.ok() ? mapped.TakeValue() : MappedFile();
    }
    return files_[path].bytes();
  }

  std::map<std::string, MappedFile> files_;
};

// A traced child that runs `body` until its first stop by a signal other than `passed`.
class StoppedChild {
 public:
  explicit StoppedChild(void (*body)(), int passed = 0) {
    pid_ = fork();
    if (pid_ == 0) {
      alarm(60);
      ptrace(PTRACE_TRACEME, 0, 0, 0);
      body();
      _exit(0);
    }
    int status = 0;
    while (waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status) && WSTOPSIG(status) == passed) {
      ptrace(PTRACE_CONT, pid_, 0, passed);
    }
    stopped_ = WIFSTOPPED(status);
    if (!stopped_) return;
    for (const Regset& regset : machine::Regsets()) {
      iovec data = {registers_.words.data() + regset.first_word, regset.bytes};
      ptrace(PTRACE_GETREGSET, pid_, regset.note_type, &data);
    }
    mappings_.Read(std::to_string(pid_));
  }
  ~StoppedChild() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  bool stopped() const { return stopped_; }
  const Registers& registers() const { return registers_; }
  ChildMemory memory() const { return ChildMemory(pid_); }
  std::vector<MappedObject>& mappings() { return mappings_.objects; }
  std::vector<Frame> Trace() { return Unwind(registers_, memory(), mappings()); }

 private:
  pid_t pid_ = -1;
  bool stopped_ = false;
  Registers registers_;
  Mappings mappings_;
};

std::vector<std::string> NamesOf(const std::vector<Frame>& frames) {
  std::vector<std::string> names;
  for (const Frame& frame : frames) names.push_back(frame.signal ? "<signal>" : frame.function);
  return names;
}

// Whether `names` holds `wanted` one right after the other.
bool HasRun(const std::vector<std::string>& names, const std::vector<std::string>& wanted) {
  return !std::ranges::search(names, wanted).empty();
}

const std::vector<std::string> kPlainNest = {"retake::PlainInnermost(int)",
                                             "retake::PlainMiddle(int)", "retake::PlainOuter(int)"};
const std::vector<std::string> kOptimizedNest = {"retake::OptimizedInnermost(int)",
                                                 "retake::OptimizedMiddle(int)",
                                                 "retake::OptimizedOuter(int)"};

TEST(StackTrace, NamesAPlainNest) {
  StoppedChild child([] { PlainOuter(SIGSTOP); });
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  EXPECT_TRUE(HasRun(NamesOf(frames), kPlainNest)) << FormatStack(frames);
  EXPECT_TRUE(HasRun(NamesOf(frames), {"main"})) << FormatStack(frames);
  EXPECT_LT(frames.size(), kMaxFrames);
}

TEST(StackTrace, NamesANestWithoutFramePointers) {
  StoppedChild child([] { OptimizedOuter(SIGSTOP); });
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  EXPECT_TRUE(HasRun(NamesOf(frames), kOptimizedNest)) << FormatStack(frames);
  EXPECT_TRUE(HasRun(NamesOf(frames), {"main"})) << FormatStack(frames);
}

TEST(StackTrace, OffsetsLieInTheirFunctions) {
  StoppedChild child([] { OptimizedOuter(SIGSTOP); });
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  const auto innermost = std::ranges::find(frames, kOptimizedNest[0], &Frame::function);
  ASSERT_NE(innermost, frames.end());
  EXPECT_EQ(innermost->pc - innermost->offset, reinterpret_cast<uint64_t>(&OptimizedInnermost));
  EXPECT_GT(innermost->offset, 0u);
}

TEST(StackTrace, GoesOnThroughASignalHandler) {
  StoppedChild child(
      [] {
        signal(SIGUSR1, StopHere);
        PlainOuter(SIGUSR1);
      },
      SIGUSR1);
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  const auto names = NamesOf(frames);
  EXPECT_TRUE(HasRun(names, {"retake::StopHere(int)", "<signal>"})) << FormatStack(frames);
  EXPECT_TRUE(HasRun(names, kPlainNest)) << FormatStack(frames);
}

// A signal handler on a stack of its own, which may lie anywhere.
TEST(StackTrace, GoesOnFromAnAlternateStack) {
  StoppedChild child(
      [] {
        static char room[2][64 << 10];
        // Below or above the ordinary stack, the walk must not care: this one is far below.
        stack_t stack{};
        stack.ss_sp = room[1];
        stack.ss_size = sizeof room[1];
        sigaltstack(&stack, nullptr);
        struct sigaction action {};
        action.sa_handler = StopHere;
        action.sa_flags = SA_ONSTACK;
        sigaction(SIGUSR1, &action, nullptr);
        OptimizedOuter(SIGUSR1);
      },
      SIGUSR1);
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  EXPECT_TRUE(HasRun(NamesOf(frames), kOptimizedNest)) << FormatStack(frames);
}

TEST(StackTrace, ACallThroughNullShowsItsCaller) {
  StoppedChild child([] { CallThroughNull(); });
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  ASSERT_GE(frames.size(), 2u);
  EXPECT_EQ(frames[0].pc, 0u);
  EXPECT_EQ(frames[1].function, "retake::CallThroughNull()") << FormatStack(frames);
  EXPECT_TRUE(HasRun(NamesOf(frames), {"main"})) << FormatStack(frames);
}

TEST(StackTrace, DeepStacksEndAtTheBound) {
  StoppedChild child([] { Recurse(5000); });
  ASSERT_TRUE(child.stopped());
  const auto frames = child.Trace();
  EXPECT_EQ(frames.size(), kMaxFrames);
  EXPECT_EQ(frames.back().function, "retake::Recurse(int)");
}

// This process's own stack, with registers as libunwind captures them: needs no ptrace, so it also
// runs under an emulator of the other architecture.
class OwnMemory : public ReadableMemory {
 public:
  explicit OwnMemory(const std::vector<MappedObject>& mappings) : mappings_(mappings) {}
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    for (const MappedObject& mapping : mappings_) {
      if (address < mapping.address || address - mapping.address >= mapping.size) continue;
      if ((mapping.prot & PROT_READ) == 0 || mapping.name.starts_with("[vv")) return 0;
      const size_t here = std::min<uint64_t>(size, mapping.size - (address - mapping.address));
      Copy(reinterpret_cast<const volatile uint8_t*>(address), here, static_cast<uint8_t*>(buffer));
      return here;
    }
    return 0;
  }

 private:
  // A sanitizer puts zones that nobody may read between objects: pages hold those too.
  __attribute__((no_sanitize("address"))) static void Copy(const volatile uint8_t* from,
                                                           size_t size, uint8_t* to) {
    for (size_t i = 0; i < size; ++i) to[i] = from[i];
  }

  const std::vector<MappedObject>& mappings_;
};

std::vector<Frame> own_frames;

void TraceSelf(int) {
  unw_context_t context;
  unw_cursor_t cursor;
  unw_getcontext(&context);
  unw_init_local(&cursor, &context);
  const auto words = machine::Unwinding().words;
  Registers registers;
  for (size_t number = 0; number < words.size(); ++number) {
    unw_word_t value = 0;
    if (words[number] < 0 || unw_get_reg(&cursor, static_cast<int>(number), &value) != 0) continue;
    registers.words[static_cast<size_t>(words[number])] = value;
  }
  Mappings mappings;
  mappings.Read("self");
  own_frames = Unwind(registers, OwnMemory(mappings.objects), mappings.objects);
}

TEST(StackTrace, NamesItsOwnNests) {
  stack_trace_stop = TraceSelf;
  PlainOuter(0);
  EXPECT_TRUE(HasRun(NamesOf(own_frames), kPlainNest)) << FormatStack(own_frames);
  EXPECT_TRUE(HasRun(NamesOf(own_frames), {"main"})) << FormatStack(own_frames);
  OptimizedOuter(0);
  EXPECT_TRUE(HasRun(NamesOf(own_frames), kOptimizedNest)) << FormatStack(own_frames);
  EXPECT_TRUE(HasRun(NamesOf(own_frames), {"main"})) << FormatStack(own_frames);
  stack_trace_stop = RaiseSignal;
}

TEST(StackTrace, GoesThroughItsOwnSignalHandler) {
  stack_trace_stop = RaiseSignal;
  signal(SIGUSR1, TraceSelf);
  OptimizedOuter(SIGUSR1);
  signal(SIGUSR1, SIG_DFL);
  EXPECT_TRUE(HasRun(NamesOf(own_frames), kOptimizedNest)) << FormatStack(own_frames);
  const auto names = NamesOf(own_frames);
  EXPECT_EQ(std::ranges::count(names, "<signal>"), 1) << FormatStack(own_frames);
}

// Without tables the frame pointer is followed, where the program keeps one.
TEST(StackTrace, FollowsFramePointersWhereThereAreNoTables) {
  StoppedChild child([] { PlainOuter(SIGSTOP); });
  ASSERT_TRUE(child.stopped());
  // This test's own binary, with PT_GNU_EH_FRAME turned into PT_NULL.
  std::vector<uint8_t> without;
  std::string self(4096, '\0');
  self.resize(static_cast<size_t>(readlink("/proc/self/exe", self.data(), self.size())));
  for (MappedObject& mapping : child.mappings()) {
    if (mapping.name != self) continue;
    if (without.empty()) {
      without.assign(mapping.bytes.begin(), mapping.bytes.end());
      Elf64_Ehdr header{};
      memcpy(&header, without.data(), sizeof header);
      int removed = 0;
      for (int i = 0; i < header.e_phnum; ++i) {
        uint8_t* segment =
            without.data() + header.e_phoff + static_cast<size_t>(i) * sizeof(Elf64_Phdr);
        uint32_t type = 0;
        memcpy(&type, segment, sizeof type);
        if (type != PT_GNU_EH_FRAME) continue;
        memset(segment, 0, sizeof type);
        ++removed;
      }
      ASSERT_EQ(removed, 1);
    }
    mapping.bytes = without;
  }
  ASSERT_FALSE(without.empty());
  const auto frames = child.Trace();
  EXPECT_TRUE(HasRun(NamesOf(frames), kPlainNest)) << FormatStack(frames);
}

// Objects without a blob are read from memory: enough for the tables, so the walk gets past them.
TEST(StackTrace, ObjectsWithoutABlobAreReadFromMemory) {
  StoppedChild child([] { OptimizedOuter(SIGSTOP); });
  ASSERT_TRUE(child.stopped());
  for (MappedObject& mapping : child.mappings()) {
    if (mapping.name.find("libc") != std::string::npos) mapping.bytes = {};
  }
  const auto frames = child.Trace();
  EXPECT_TRUE(HasRun(NamesOf(frames), kOptimizedNest)) << FormatStack(frames);
}

// --- Garbage ---

// Every address is readable, and holds what `word` says.
class MadeMemory : public ReadableMemory {
 public:
  explicit MadeMemory(std::function<uint64_t(uint64_t)> word) : word_(std::move(word)) {}
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
    auto* out = static_cast<uint8_t*>(buffer);
    for (size_t i = 0; i < size; ++i) {
      const uint64_t word = word_((address + i) & ~uint64_t{7});
      out[i] = static_cast<uint8_t>(word >> (8 * ((address + i) % 8)));
    }
    return size;
  }

 private:
  std::function<uint64_t(uint64_t)> word_;
};

uint64_t Mix(uint64_t value) {
  value ^= value >> 31;
  value *= 0x9e3779b97f4a7c15;
  value ^= value >> 29;
  value *= 0xbf58476d1ce4e5b9;
  return value ^ (value >> 32);
}

void SetNumbered(Registers& registers, int number, uint64_t value) {
  registers.words[static_cast<size_t>(machine::Unwinding().words[static_cast<size_t>(number)])] =
      value;
}

TEST(StackTrace, AFrameThatPointsAtItselfEnds) {
  const std::vector<MappedObject> mappings = {
      {0x10000, 0x10000, 0, PROT_READ | PROT_EXEC, "/code", {}},
      {0x50000, 0x10000, 0, PROT_READ | PROT_WRITE, "[stack]", {}}};
  // Each frame record: the frame pointer again, and a return address into the code.
  for (uint64_t next : {uint64_t{0x50100}, uint64_t{0x50000}, uint64_t{0x50101}}) {
    const MadeMemory memory(
        [next](uint64_t address) { return address % 16 == 0 ? next : 0x10020; });
    Registers registers;
    registers.words[HostArch().pc] = 0x10010;
    registers.words[HostArch().sp] = 0x50080;
    SetNumbered(registers, machine::Unwinding().frame_pointer, 0x50100);
    const auto frames = Unwind(registers, memory, mappings);
    EXPECT_GE(frames.size(), 1u);
    EXPECT_LE(frames.size(), 4u) << FormatStack(frames);
  }
}

TEST(StackTrace, GarbageGivesAShortTrace) {
  const std::vector<MappedObject> mappings = {
      {0x10000, 0x10000, 0, PROT_READ | PROT_EXEC, "/code", {}}};
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const MadeMemory memory([seed](uint64_t address) { return Mix(address ^ Mix(seed)); });
    Registers registers;
    for (size_t i = 0; i < registers.words.size(); ++i) registers.words[i] = Mix(seed * 64 + i);
    if (seed % 2 == 0) registers.words[HostArch().pc] = 0x10000 + seed;
    const auto frames = Unwind(registers, memory, mappings);
    EXPECT_GE(frames.size(), 1u);
    EXPECT_LE(frames.size(), 3u);
    EXPECT_FALSE(FormatStack(frames).empty());
  }
}

TEST(StackTrace, NoMemoryAndNoMappingsGiveOneFrame) {
  class Nothing : public ReadableMemory {
    size_t ReadSome(uint64_t, void*, size_t) const override { return 0; }
  };
  Registers registers;
  registers.words[HostArch().pc] = 0x1234;
  const auto frames = Unwind(registers, Nothing(), {});
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(FormatStack(frames), "#0  0x0000000000001234 in ??\n");
}

// Real registers and stacks, with unwind tables, ELF headers and stacks that are damaged at random:
// whatever libunwind makes of them, it ends, soon.
TEST(StackTrace, DamagedTablesNeitherCrashNorHang) {
  StoppedChild child([] { OptimizedOuter(SIGSTOP); });
  ASSERT_TRUE(child.stopped());
  class Damaged : public ReadableMemory {
   public:
    Damaged(ChildMemory memory, uint64_t seed, uint64_t rate)
        : memory_(memory), seed_(seed), rate_(rate) {}
    size_t ReadSome(uint64_t address, void* buffer, size_t size) const override {
      const size_t got = memory_.ReadSome(address, buffer, size);
      for (size_t i = 0; i < got; ++i) {
        const uint64_t dice = Mix((address + i) ^ Mix(seed_));
        if (dice % rate_ == 0) static_cast<uint8_t*>(buffer)[i] ^= static_cast<uint8_t>(dice >> 40);
      }
      return got;
    }

   private:
    ChildMemory memory_;
    uint64_t seed_;
    uint64_t rate_;
  };
  std::mt19937_64 random(1);
  for (uint64_t seed = 0; seed < static_cast<uint64_t>(Times(200)); ++seed) {
    const Damaged memory(child.memory(), seed, 2 + random() % 200);
    auto mappings = child.mappings();
    // Half of the runs have no blobs, so that ELF headers come from the damaged memory too.
    if (seed % 2 == 0) {
      for (MappedObject& mapping : mappings) mapping.bytes = {};
    }
    const auto frames = Unwind(child.registers(), memory, mappings);
    EXPECT_GE(frames.size(), 1u);
    EXPECT_LE(frames.size(), kMaxFrames);
  }
}

TEST(StackTrace, PrintsLikeADebugger) {
  const std::vector<Frame> frames = {
      {.pc = 0x7f0000001010, .function = "raise", .offset = 0x10, .object = "/lib/libc.so.6"},
      {.signal = true},
      {.pc = 0x555500001160, .offset = 0x1160, .object = "/tmp/a b/guest"},
      {.pc = 0x10}};
  EXPECT_EQ(FormatStack(frames),
            "#0  0x00007f0000001010 in raise+0x10 (libc.so.6)\n"
            "#1  <signal handler called>\n"
            "#2  0x0000555500001160 in ?? (guest+0x1160)\n"
            "#3  0x0000000000000010 in ??\n");
}

}  // namespace
}  // namespace retake
