// A recording and its replay in small: a child is stopped, copied, and runs on to a mark; the copy
// must be stopped at the same instant.
#include "replay/state_match.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "arch_code.h"
#include "replay/state_comparison.h"
#include "tests/unit/supervisor/spins.h"
#include "tests/unit/times.h"
#include "tests/unit/tracee/traced_child.h"
#include "tracee/code_patch.h"
#include "tracee/maps.h"
#include "tracee/stepper.h"

namespace retake {
namespace {

using Kind = MatchOutcome::Kind;
using Clock = std::chrono::steady_clock;

std::atomic<int> stop;
volatile uint64_t counter;
uint64_t big[1 << 14];

// Generous: a machine may be busy. Milliseconds.
constexpr int64_t kLimit = 60'000;

std::string MapsOf(pid_t pid) {
  auto mappings = ReadMappings(pid);
  EXPECT_TRUE(mappings.ok());
  std::string text;
  for (const Mapping& mapping : *mappings) {
    text +=
        fmt::format("{:x}-{:x} {} {}\n", mapping.start, mapping.end, mapping.prot, mapping.name);
  }
  return text;
}

std::string CodeAt(TracedChild& child, uint64_t pc) {
  std::string bytes(64, '\0');
  EXPECT_TRUE(child.memory().Read(pc, bytes.data(), bytes.size()));
  return bytes;
}

// Lets the child pass the instruction that it is at `times` times.
void Pass(TracedChild& child, int times) {
  uint64_t site = Pc(child.registers());
  Stepper stepper(child.pid(), child.memory());
  for (int i = 0; i < times; ++i) {
    Registers registers = child.registers();
    auto stepped = stepper.StepWhole(registers);
    ASSERT_TRUE(stepped.ok());
    ASSERT_EQ(*stepped, StepOutcome::kStepped);
    if (Pc(registers) == site) continue;
    auto breakpoint = CodePatch::PutBreakpoint(child.memory(), site);
    ASSERT_TRUE(breakpoint.ok());
    child.Continue();
    auto status = ptracer::WaitOne(child.pid(), 10'000);
    ASSERT_TRUE(status.ok() && *status);
    ASSERT_EQ((*status)->signal(), SIGTRAP);
    ASSERT_TRUE(breakpoint->Remove(child.memory()).ok());
    registers = child.registers();
    SetPc(registers, site);
    ASSERT_TRUE(ptracer::SetRegisters(child.pid(), registers).ok());
  }
}

StateMark Mark(TracedChild& child, uint32_t steps = StateMarker::kDefaultSteps,
               std::optional<ResumeKind> watched = std::nullopt) {
  StateMarker marker;
  auto marked = marker.Mark(child.pid(), child.memory(), steps, watched);
  if (!marked.ok()) {
    ADD_FAILURE() << marked.error().Message();
    return {};
  }
  EXPECT_EQ(marked->kind, MarkOutcome::Kind::kMarked);
  return marked->mark;
}

MatchOutcome Match(TracedChild& child, const StateMark& mark, MatchOptions options = {}) {
  if (options.limit == 0) options.limit = kLimit;
  std::string maps = MapsOf(child.pid());
  std::string code = CodeAt(child, Pc(mark.registers));
  auto outcome = RunToState(child.pid(), child.memory(), mark, options);
  EXPECT_TRUE(outcome.ok()) << outcome.error().Message();
  if (outcome->kind != Kind::kStopped || !outcome->status.gone()) {
    EXPECT_EQ(MapsOf(child.pid()), maps);
    EXPECT_EQ(CodeAt(child, Pc(mark.registers)), code);
    EXPECT_EQ(machine::Comparable(child.registers()), machine::Comparable(outcome->registers));
  }
  return outcome.TakeValue();
}

// What `one` can write is in `other` too; a page of zeros may be missing there.
void ExpectSamePages(TracedChild& one, TracedChild& other) {
  std::vector<uint8_t> found;
  auto compare = [&](uint64_t address, ByteSpan page) {
    found.assign(page.size(), 0);
    other.memory().ReadSome(address, found.data(), found.size());
    EXPECT_TRUE(std::ranges::equal(page, found)) << "at " << address;
  };
  ASSERT_TRUE(ForEachWritablePage(one.pid(), one.memory(), compare).ok());
}

// The state as a whole, by other means than the mark's. Keeps no copy: the next children would be
// larger by it.
void ExpectSameState(TracedChild& one, TracedChild& other) {
  EXPECT_EQ(machine::Comparable(one.registers()), machine::Comparable(other.registers()));
  EXPECT_EQ(one.Get(const_cast<uint64_t&>(counter)), other.Get(const_cast<uint64_t&>(counter)));
  ExpectSamePages(one, other);
  ExpectSamePages(other, one);
}

int CountInMemoryOnly() {
  while (stop.load(std::memory_order_relaxed) == 0) IncrementMemory(&counter);
  return 0;
}

// The registers and the stack are the same at each passing; a comparison of the registers only, or
// of the registers and the stack page, stops at the first.
TEST(StateMatch, RegistersAndStackRecurManyTimesAndTheRightPassingIsFound) {
  TracedChild recorded(CountInMemoryOnly);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  uint64_t begin = recorded.Get(const_cast<uint64_t&>(counter));
  ASSERT_NO_FATAL_FAILURE(Pass(recorded, Times(3'000, 1'500)));
  StateMark mark = Mark(recorded, 0);
  mark.words.clear();  // words would help; the comparison has to be right without
  // The instruction may be one that a round passes more than once.
  ASSERT_GE(recorded.Get(const_cast<uint64_t&>(counter)) - begin, 1'000u);

  MatchOutcome outcome = Match(replayed, mark);
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  // Each of them had the registers and flags of the mark, and the same stack. Where it was stopped
  // behind the addition itself, flags tell of the sum, and recur every 32nd time.
  EXPECT_GE(outcome.candidates, 1'000u / 32);
  EXPECT_TRUE(outcome.in_process);
  ExpectSameState(recorded, replayed);
}

// The same, with a counter on the stack's page.
TEST(StateMatch, TheStackPageTellsPassingsApart) {
  auto loop = [] {
    volatile uint64_t local = 0;
    while (stop.load(std::memory_order_relaxed) == 0) IncrementMemory(&local);
    return 0;
  };
  TracedChild recorded(loop);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  ASSERT_NO_FATAL_FAILURE(Pass(recorded, 2'000));
  StateMark mark = Mark(recorded, 0);
  mark.words.clear();
  mark.surroundings.clear();
  MatchOutcome outcome = Match(replayed, mark);
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  // Where the flags tell some of what was counted, a sixteenth or less of the passings is left.
  EXPECT_GE(outcome.candidates, 10u);
  ExpectSameState(recorded, replayed);
}

// The words that a mark keeps let the process itself tell the passings apart.
TEST(StateMatch, WordsOfMemoryAreComparedInProcess) {
  TracedChild recorded(CountInMemoryOnly);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  uint64_t begin = recorded.Get(const_cast<uint64_t&>(counter));
  recorded.Continue();
  recorded.Stop(3'000);
  StateMark mark = Mark(recorded);
  ASSERT_GE(mark.words.size(), 1u);
  uint64_t passings = recorded.Get(const_cast<uint64_t&>(counter)) - begin;
  auto started = Clock::now();
  MatchOutcome outcome = Match(replayed, mark);
  std::chrono::duration<double, std::nano> took = Clock::now() - started;
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  EXPECT_LE(outcome.candidates, 10u);  // the ones looked at by breakpoint, and the match
  ExpectSameState(recorded, replayed);
  printf("%llu passings of a counter in memory: %.2f ms, %.1f ns each\n",
         static_cast<unsigned long long>(passings), took.count() / 1e6,
         took.count() / static_cast<double>(passings));
}

// A caller's counter, far from the stack pointer of what it calls, is found when it is needed.
TEST(StateMatch, TheStackAroundAMarkTellsPassingsApart) {
  auto loop = [] {
    volatile uint64_t local[128] = {};
    while (stop.load(std::memory_order_relaxed) == 0) IncrementMemory(&local[100]);
    return 0;
  };
  TracedChild recorded(loop);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  ASSERT_NO_FATAL_FAILURE(Pass(recorded, 2'000));
  MatchOutcome outcome = Match(replayed, Mark(recorded, 0));
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  EXPECT_TRUE(outcome.in_process);
  // The ones looked at by breakpoint, those that differ in other words, and the match.
  EXPECT_LE(outcome.candidates, 12u);
  ExpectSameState(recorded, replayed);
}

// Long rounds that only read: what they count is written once a round, elsewhere.
int CountRounds() {
  static volatile uint8_t read[1024];
  while (stop.load(std::memory_order_relaxed) == 0) {
    for (const volatile uint8_t& byte : read) static_cast<void>(uint8_t{byte});
    IncrementMemory(&big[5000]);
  }
  return 0;
}

TEST(StateMatch, WordsThatAWatchedTaskChangesTellPassingsApart) {
  TracedChild recorded(CountRounds);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  recorded.Continue();
  recorded.Stop(10'000);
  StateMark mark = Mark(recorded, StateMarker::kDefaultSteps, ResumeKind::kContinue);
  ASSERT_GE(recorded.Get(big[5000]), 20u) << "rounds";
  MatchOutcome outcome = Match(replayed, mark);
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  EXPECT_LE(outcome.candidates, 12u);
  ExpectSameState(recorded, replayed);

  // What it does while it is watched may be something else.
  TracedChild calls([] {
    LoopsAtO2().yields();
    return 0;
  });
  calls.Stop(1'000);
  Registers registers = calls.registers();
  machine::ForgetSyscall(registers);
  ASSERT_TRUE(ptracer::SetRegisters(calls.pid(), registers).ok());
  StateMarker marker;
  auto other = marker.Mark(calls.pid(), calls.memory(), 200, ResumeKind::kToSyscall);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->kind, MarkOutcome::Kind::kStopped);
  EXPECT_EQ(other->status.kind(), StopKind::kSyscall);
}

TEST(StateMatch, ThreeMillisecondsOfAFastLoopTakeWellUnderASecond) {
  auto loop = [] {
    uint64_t count = 0;
    while (stop.load(std::memory_order_relaxed) == 0) {
      ++count;
      asm volatile("" : "+r"(count));
    }
    return 0;
  };
  TracedChild recorded(loop);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  Registers begin = recorded.registers();
  recorded.Continue();
  recorded.Stop(3'000);
  StateMark mark = Mark(recorded);
  uint64_t passings = 0;  // the register that counts is the one that has grown most
  for (size_t word = 0; word < std::size(begin.words); ++word) {
    uint64_t grown = mark.registers.words[word] - begin.words[word];
    if (machine::MayCompareFirst(word) && grown < uint64_t{1} << 40)
      passings = std::max(passings, grown);
  }
  EXPECT_GT(passings, 1'000u);
  auto started = Clock::now();
  MatchOutcome outcome = Match(replayed, mark);
  std::chrono::duration<double, std::milli> took = Clock::now() - started;
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  EXPECT_TRUE(outcome.in_process);
  ExpectSameState(recorded, replayed);
  EXPECT_LT(took.count(), 20e3);
  printf("3 ms of a counter in a register: %.2f ms\n", took.count());
}

TEST(StateMatch, VectorRegistersTellPassingsApart) {
  auto low = [] {
    double sum = 0;
    while (stop.load(std::memory_order_relaxed) == 0) {
      sum += 0.5;
      KeepInVectorRegister(sum);
    }
    return 0;
  };
  TracedChild recorded(low);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  ASSERT_NO_FATAL_FAILURE(Pass(recorded, 2'000));
  MatchOutcome outcome = Match(replayed, Mark(recorded, 0));
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  ExpectSameState(recorded, replayed);
  // Compared in the process, but for the first few.
  EXPECT_LE(outcome.candidates, 10u);

  std::vector<uint8_t> one;
  std::vector<uint8_t> other;
  ASSERT_TRUE(ptracer::GetVector(recorded.pid(), one).ok());
  ASSERT_TRUE(ptracer::GetVector(replayed.pid(), other).ok());
  machine::MakeVectorComparable(one);
  machine::MakeVectorComparable(other);
  EXPECT_EQ(one, other);
}

TEST(StateMatch, UpperHalvesOfVectorRegistersTellPassingsApart) {
  typedef double Pair __attribute__((vector_size(16)));
  auto upper = [] {
    Pair sum{1, 0};
    while (stop.load(std::memory_order_relaxed) == 0) {
      sum += Pair{0, 1};
      KeepPairInVectorRegister(sum);
    }
    return 0;
  };
  TracedChild recorded(upper);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  ASSERT_NO_FATAL_FAILURE(Pass(recorded, 2'000));
  MatchOutcome outcome = Match(replayed, Mark(recorded, 0));
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  std::vector<uint8_t> one;
  std::vector<uint8_t> other;
  ASSERT_TRUE(ptracer::GetVector(recorded.pid(), one).ok());
  ASSERT_TRUE(ptracer::GetVector(replayed.pid(), other).ok());
  machine::MakeVectorComparable(one);
  machine::MakeVectorComparable(other);
  EXPECT_EQ(one, other);
}

// Every loop, marked at every one of its instructions: among them are some that can't be moved, and
// some behind which another branch lands.
class EveryInstruction : public ::testing::TestWithParam<Loops (*)()> {};

TEST_P(EveryInstruction, IsFoundAgain) {
  Loops loops = GetParam()();
  for (int i = 0; i < loops.computation_count; ++i) {
    const Loop& loop = loops.computations[i];
    TracedChild recorded([&] {
      loop.run();
      return 0;
    });
    recorded.Stop(2'000);
    recorded.InstallStub();
    int in_process = 0;
    for (int at = 0; at < Times(8, 2); ++at) {
      SCOPED_TRACE(fmt::format("{} at {}, instruction {}", loop.name, loops.level, at));
      TracedChild replayed(recorded);
      ASSERT_NO_FATAL_FAILURE(Pass(recorded, 20));
      StateMark mark = Mark(recorded, 0);
      MatchOptions options;
      options.breakpoint_passings = 2;
      MatchOutcome outcome = Match(replayed, mark, options);
      ASSERT_EQ(outcome.kind, Kind::kMatched);
      if (outcome.in_process) ++in_process;
      ExpectSameState(recorded, replayed);
      Stepper stepper(recorded.pid(), recorded.memory());
      Registers registers = recorded.registers();
      ASSERT_TRUE(stepper.StepWhole(registers).ok());
    }
    EXPECT_GT(in_process, 0) << loop.name;
  }
}

TEST_P(EveryInstruction, IsFoundAgainByBreakpointsOnly) {
  Loops loops = GetParam()();
  const Loop& loop = loops.computations[1];
  TracedChild recorded([&] {
    loop.run();
    return 0;
  });
  recorded.Stop(2'000);
  recorded.InstallStub();
  for (int at = 0; at < Times(8, 2); ++at) {
    TracedChild replayed(recorded);
    ASSERT_NO_FATAL_FAILURE(Pass(recorded, 20));
    StateMark mark = Mark(recorded, 0);
    MatchOptions options;
    options.breakpoints_only = true;
    MatchOutcome outcome = Match(replayed, mark, options);
    ASSERT_EQ(outcome.kind, Kind::kMatched);
    EXPECT_FALSE(outcome.in_process);
    ExpectSameState(recorded, replayed);
    Stepper stepper(recorded.pid(), recorded.memory());
    Registers registers = recorded.registers();
    ASSERT_TRUE(stepper.StepWhole(registers).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(StateMatch, EveryInstruction, ::testing::Values(LoopsAtO0, LoopsAtO2),
                         [](const auto& test) { return std::string(test.param().level); });

TEST(StateMatch, MarksTakenOneAfterTheOtherAreFoundOneAfterTheOther) {
  Loops loops = LoopsAtO2();
  const Loop& loop = loops.computations[4];
  TracedChild recorded([&] {
    loop.run();
    return 0;
  });
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  std::vector<StateMark> marks;
  StateMarker marker;
  for (int i = 0; i < 20; ++i) {
    recorded.Continue();
    recorded.Stop(1'000);
    auto marked = marker.Mark(recorded.pid(), recorded.memory());
    ASSERT_TRUE(marked.ok() && marked->kind == MarkOutcome::Kind::kMarked);
    marks.push_back(marked->mark);
  }
  auto started = Clock::now();
  for (const StateMark& mark : marks) ASSERT_EQ(Match(replayed, mark).kind, Kind::kMatched);
  std::chrono::duration<double, std::milli> took = Clock::now() - started;
  printf("20 marks a millisecond apart: %.1f ms\n", took.count());
  ExpectSameState(recorded, replayed);
}

// As a just-in-time compiler does: the instruction of the mark is written when it is waited for
// already, or is there and is written once more.
TEST(StateMatch, CodeMadeAnewIsFoundAgain) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* mapped =
      mmap(nullptr, page, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* code = static_cast<uint8_t*>(mapped);
  std::vector<uint8_t> function = CodeCountingDown();
  TracedChild recorded([&] {
    while (stop.load(std::memory_order_relaxed) == 0) {
      counter = counter + 1;
      uint8_t* at = code + counter % 2 * 64;
      memset(code, 0, 256);
      memcpy(at, function.data(), function.size());
      __builtin___clear_cache(reinterpret_cast<char*>(code), reinterpret_cast<char*>(code + page));
      reinterpret_cast<uint64_t (*)(uint64_t)>(at)(100'000);
    }
    return 0;
  });
  munmap(mapped, page);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  int in_process = 0;
  for (int i = 0; i < Times(20, 4); ++i) {
    auto start = reinterpret_cast<uint64_t>(code);
    do {
      recorded.Continue();
      recorded.Stop(1'000);
    } while (Pc(recorded.registers()) - start >= page);
    // The words that it changes are those of the code, too.
    StateMark mark = Mark(recorded, StateMarker::kDefaultSteps, ResumeKind::kContinue);
    std::string maps = MapsOf(replayed.pid());
    auto outcome = RunToState(replayed.pid(), replayed.memory(), mark, {.limit = kLimit});
    ASSERT_TRUE(outcome.ok()) << outcome.error().Message();
    ASSERT_EQ(outcome->kind, Kind::kMatched);
    EXPECT_EQ(MapsOf(replayed.pid()), maps);
    if (outcome->in_process) ++in_process;
    ExpectSameState(recorded, replayed);
  }
  EXPECT_GT(in_process, 0);
}

// Interrupts come between two rounds of a repeated instruction too; natively nothing stops there.
TEST(StateMatch, AMarkIsNeverInsideARepeatedInstruction) {
  auto loop = [] {
    while (stop.load(std::memory_order_relaxed) == 0) {
      FillMemory(big, sizeof big, static_cast<uint8_t>(counter));
      counter = counter + 1;
    }
    return 0;
  };
  TracedChild recorded(loop);
  recorded.Stop(1'000);
  recorded.InstallStub();
  for (int i = 0; i < 10; ++i) {
    TracedChild replayed(recorded);
    recorded.Continue();
    recorded.Stop(1'000);
    StateMark mark = Mark(recorded, i % 2 == 0 ? 0 : StateMarker::kDefaultSteps);
    ASSERT_EQ(Match(replayed, mark).kind, Kind::kMatched);
    ExpectSameState(recorded, replayed);
  }
}

TEST(StateMatch, TheStateItIsInMatchesAtOnce) {
  TracedChild child(CountInMemoryOnly);
  child.Stop(1'000);
  child.InstallStub();
  StateMark mark = Mark(child);
  MatchOutcome outcome = Match(child, mark);
  EXPECT_EQ(outcome.kind, Kind::kMatched);
  EXPECT_EQ(outcome.passings, 0u);
}

TEST(StateMatch, WhatNeverMatchesEndsAtTheLimit) {
  TracedChild child(CountInMemoryOnly);
  child.Stop(1'000);
  child.InstallStub();
  StateMark mark = Mark(child);
  child.Continue();
  child.Stop(1'000);  // past it
  for (bool breakpoints_only : {false, true}) {
    for (int i = 0; i < 5; ++i) {
      MatchOptions options;
      options.limit = 20 + 3 * i;
      options.breakpoints_only = breakpoints_only;
      MatchOutcome outcome = Match(child, mark, options);
      ASSERT_EQ(outcome.kind, Kind::kLimit);
    }
  }
  // The program is whole: it counts on, and ends when told.
  uint64_t before = child.Get(const_cast<uint64_t&>(counter));
  child.Continue();
  child.Stop(2'000);
  EXPECT_GT(child.Get(const_cast<uint64_t&>(counter)), before);
  child.Set(stop, std::atomic<int>(1));
  EXPECT_EQ(child.RunToExit(), 0);
}

TEST(StateMatch, AnotherStopFirstIsHandedBack) {
  TracedChild child(CountInMemoryOnly);
  child.Stop(1'000);
  child.InstallStub();
  StateMark mark = Mark(child);
  child.Continue();
  child.Stop(1'000);  // past it
  // To be seen once the comparison is done in the process.
  TracedChild other(child);
  std::string maps = MapsOf(child.pid());
  std::atomic<bool> over = false;
  std::thread setter([&] {
    while (!over && MapsOf(child.pid()) == maps) usleep(1'000);
    usleep(30'000);
    child.Set(stop, std::atomic<int>(1));
  });
  MatchOutcome outcome = Match(child, mark);
  over = true;
  setter.join();
  ASSERT_EQ(outcome.kind, Kind::kStopped);
  EXPECT_TRUE(outcome.in_process);
  EXPECT_EQ(outcome.status.kind(), StopKind::kSyscall);
  EXPECT_EQ(HostArch().SysOf(static_cast<int64_t>(machine::SyscallNumber(outcome.registers))),
            Sys::exit_group);

  std::thread killer([&] {
    usleep(30'000);
    kill(other.pid(), SIGKILL);
  });
  auto gone = RunToState(other.pid(), other.memory(), mark, {.limit = kLimit});
  killer.join();
  if (gone.ok()) {
    EXPECT_EQ(gone->kind, Kind::kStopped);
    EXPECT_TRUE(gone->status.gone());
  } else {
    EXPECT_TRUE(IsGone(gone.error())) << gone.error().Message();
  }
}

TEST(StateMatch, SignalsFromOutsideAreDropped) {
  TracedChild recorded(CountInMemoryOnly);
  recorded.Stop(1'000);
  recorded.InstallStub();
  TracedChild replayed(recorded);
  recorded.Continue();
  recorded.Stop(20'000);
  StateMark mark = Mark(recorded);
  std::atomic<bool> over = false;
  std::thread sender([&] {
    while (!over) {
      kill(replayed.pid(), SIGUSR1);
      usleep(200);
    }
  });
  MatchOutcome outcome = Match(replayed, mark);
  over = true;
  sender.join();
  ASSERT_EQ(outcome.kind, Kind::kMatched);
  ExpectSameState(recorded, replayed);
}

TEST(StateMatch, AMarkStopsBeforeACall) {
  TracedChild child([] {
    LoopsAtO2().yields();
    return 0;
  });
  child.Stop(1'000);
  Registers registers = child.registers();
  machine::ForgetSyscall(registers);
  ASSERT_TRUE(ptracer::SetRegisters(child.pid(), registers).ok());
  StateMarker marker;
  auto marked = marker.Mark(child.pid(), child.memory(), 200);
  ASSERT_TRUE(marked.ok());
  EXPECT_EQ(marked->kind, MarkOutcome::Kind::kBeforeCall);
}

TEST(StateMark, IsReadAsWrittenAndDamageFailsTheReader) {
  StateMark mark;
  mark.stack_hash = 0x123456789abcdef0;
  mark.words = {{0x1000, 5}, {0x2008, ~uint64_t{0}}};
  mark.surroundings = {{0x7000, {1, 2, 3}}, {0x9008, {}}};
  mark.memory.total = 42;
  for (size_t i = 0; i < MemoryDigest::kBuckets; ++i) mark.memory.buckets[i] = 7 * i;
  // Those of before there were surroundings end without.
  StateMark without = mark;
  without.surroundings.clear();
  ByteWriter old;
  EncodeMark(without, old);
  const size_t old_size = old.size() - 1;
  ByteReader old_in(ByteSpan(old.bytes()).first(old_size));
  StateMark read;
  DecodeMark(old_in, read);
  EXPECT_TRUE(old_in.ok());
  EXPECT_EQ(read, without);

  ByteWriter out;
  EncodeMark(mark, out);
  ByteReader in(out.bytes());
  DecodeMark(in, read);
  EXPECT_TRUE(in.ok());
  EXPECT_TRUE(in.AtEnd());
  EXPECT_EQ(read, mark);

  for (size_t size = 0; size < out.size(); ++size) {
    ByteReader cut(ByteSpan(out.bytes()).first(size));
    DecodeMark(cut, read);
    EXPECT_EQ(cut.ok(), size == old_size);
  }
  mark.words = {{0x1001, 5}};
  ByteWriter odd;
  EncodeMark(mark, odd);
  ByteReader odd_in(odd.bytes());
  DecodeMark(odd_in, read);
  EXPECT_FALSE(odd_in.ok());
}

}  // namespace
}  // namespace retake
