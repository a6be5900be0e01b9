// The replaced vDSO: on images made up for the purpose, with functions of any size and place, and
// on the one the kernel gave this process.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

#include "arch/arch.h"
#include "arch/vdso_elf.h"
#include "arch_code.h"
#include "vdso_image.h"

namespace retake {
namespace {

using testing::HasSubstr;

constexpr auto kGetrandomAnswer = -ENOSYS;

// The vDSO's name of a call.
std::string NameOf(Sys sys) {
  for (const VdsoSymbol& symbol : HostArch().vdso_symbols) {
    if (symbol.sys == sys) return std::string(symbol.name);
  }
  return "?";
}

// Bytes copied to where they can be run.
class Executable {
 public:
  explicit Executable(const std::vector<uint8_t>& bytes) : size_(bytes.size()) {
    void* at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(at, MAP_FAILED);
    base_ = static_cast<uint8_t*>(at);
    memcpy(base_, bytes.data(), size_);
    __builtin___clear_cache(reinterpret_cast<char*>(base_), reinterpret_cast<char*>(base_) + size_);
    EXPECT_EQ(mprotect(base_, size_, PROT_READ | PROT_EXEC), 0);
  }
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;
  ~Executable() { munmap(base_, size_); }

  uint64_t address() const { return reinterpret_cast<uint64_t>(base_); }
  template <typename Function>
  Function At(uint64_t offset) const {
    return reinterpret_cast<Function>(base_ + offset);
  }

 private:
  uint8_t* base_;
  size_t size_;
};

using ClockCall = long (*)(long, timespec*);
using DayCall = long (*)(timeval*, void*);
using RandomCall = long (*)(void*, size_t, unsigned, void*, size_t);
using PlainCall = int (*)();

std::vector<uint8_t> Patched(const std::vector<uint8_t>& image,
                             const Result<std::vector<Patch>>& patches) {
  EXPECT_TRUE(patches.ok()) << patches.error().Message();
  std::vector<uint8_t> patched = image;
  if (!patches.ok()) return patched;
  for (const Patch& patch : *patches) {
    EXPECT_LE(patch.offset + patch.bytes.size(), patched.size());
    memcpy(patched.data() + patch.offset, patch.bytes.data(), patch.bytes.size());
  }
  return patched;
}

std::vector<uint8_t> Patched(const std::vector<uint8_t>& image) {
  return Patched(image, machine::VdsoPatches(image));
}

void ExpectClockWorks(ClockCall gettime) {
  timespec before{}, now{}, after{};
  ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &before), 0);
  ASSERT_EQ(gettime(CLOCK_MONOTONIC, &now), 0);
  ASSERT_EQ(clock_gettime(CLOCK_MONOTONIC, &after), 0);
  auto ns = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  EXPECT_LE(ns(before), ns(now));
  EXPECT_LE(ns(now), ns(after));
  // A plain syscall answers a bad pointer and a bad clock where the vDSO would crash.
  EXPECT_EQ(gettime(CLOCK_MONOTONIC, reinterpret_cast<timespec*>(8)), -EFAULT);
  EXPECT_EQ(gettime(1000, &now), -EINVAL);
}

class OnMadeUpImages : public testing::TestWithParam<VdsoImage::Hash> {};

TEST_P(OnMadeUpImages, S16_PatchesStayInsideTheirSymbolsAndNeighboursWork) {
  // Functions of the least size with neighbours on both sides, packed as closely as they can be.
  constexpr uint64_t kStep = 16;
  constexpr uint64_t kBefore = VdsoImage::kText;
  constexpr uint64_t kGettime = kBefore + kStep;
  constexpr uint64_t kBetween = kGettime + 64;
  constexpr uint64_t kGetres = kBetween + kStep;
  constexpr uint64_t kAfter = kGetres + (kLeastPatchBytes + 3) / 4 * 4;
  constexpr uint64_t kDay = kAfter + kStep;
  constexpr uint64_t kRandom = kDay + kStep;
  constexpr uint64_t kEnd = kRandom + kStep;
  for (uint64_t base : {uint64_t{0}, uint64_t{0xffff'ffff'ff70'0000}}) {
    VdsoImage made(HostArch(), GetParam(), base);
    made.Fill(VdsoImage::kText, 1024, CodeFiller())
        .Add("neighbour_before", kBefore, kStep)
        .Code(kBefore, CodeReturning42())
        .Add(NameOf(Sys::clock_gettime), kGettime, 64)
        .Add("neighbour_between", kBetween, kStep)
        .Code(kBetween, CodeReturning42())
        .Add(NameOf(Sys::clock_getres), kGetres, kAfter - kGetres)
        .Add("neighbour_after", kAfter, kStep)
        .Code(kAfter, CodeReturning42())
        .Add(NameOf(Sys::gettimeofday), kDay, kStep)
        .Add(NameOf(Sys::getrandom), kRandom, kStep);
    std::vector<uint8_t> image = made.Build();
    std::vector<uint8_t> patched = Patched(image);
    struct Range {
      uint64_t begin, end;
    };
    constexpr Range kReplaced[] = {{kGettime, kBetween}, {kGetres, kAfter}, {kDay, kEnd}};
    for (uint64_t at = 0; at < image.size(); ++at) {
      bool inside = false;
      for (Range range : kReplaced) inside |= at >= range.begin && at < range.end;
      if (!inside) {
        ASSERT_EQ(image[at], patched[at]) << "at " << at;
      }
    }
    Executable code(patched);
    for (uint64_t neighbour : {kBefore, kBetween, kAfter}) {
      EXPECT_EQ(code.At<PlainCall>(neighbour)(), 42);
    }
    ExpectClockWorks(code.At<ClockCall>(kGettime));
    timespec resolution{}, expected{};
    ASSERT_EQ(clock_getres(CLOCK_MONOTONIC, &expected), 0);
    EXPECT_EQ(code.At<ClockCall>(kGetres)(CLOCK_MONOTONIC, &resolution), 0);
    EXPECT_EQ(resolution.tv_nsec, expected.tv_nsec);
    EXPECT_EQ(code.At<ClockCall>(kGetres)(CLOCK_MONOTONIC, nullptr), 0);
    timeval day{};
    EXPECT_EQ(code.At<DayCall>(kDay)(&day, nullptr), 0);
    EXPECT_GT(day.tv_sec, 1'600'000'000);
    EXPECT_EQ(code.At<DayCall>(kDay)(nullptr, nullptr), 0);
    EXPECT_EQ(code.At<RandomCall>(kRandom)(nullptr, 0, 0, nullptr, ~size_t{0}), kGetrandomAnswer);
  }
}

TEST_P(OnMadeUpImages, FunctionsGoOnInAnother) {
  constexpr uint64_t kGettime = VdsoImage::kText, kGetres = kGettime + 64, kDay = kGetres + 64,
                     kRandom = kDay + 64;
  std::vector<uint8_t> image = VdsoImage(HostArch(), GetParam())
                                   .Add(NameOf(Sys::clock_gettime), kGettime, 64)
                                   .Add(NameOf(Sys::clock_getres), kGetres, 64)
                                   .Add(NameOf(Sys::gettimeofday), kDay, 64)
                                   .Add(NameOf(Sys::getrandom), kRandom, 64)
                                   .Build();
  // The other has them in another order, and lacks one.
  std::vector<uint8_t> other = VdsoImage(HostArch(), GetParam())
                                   .Add(NameOf(Sys::getrandom), VdsoImage::kText, 64)
                                   .Code(VdsoImage::kText, CodeReturning42())
                                   .Add(NameOf(Sys::gettimeofday), VdsoImage::kText + 64, 64)
                                   .Code(VdsoImage::kText + 64, CodeReturning42())
                                   .Add(NameOf(Sys::clock_gettime), VdsoImage::kText + 128, 64)
                                   .Code(VdsoImage::kText + 128, CodeReturning42())
                                   .Build();
  Executable target(other);
  Executable code(Patched(image, machine::VdsoForwards(image, other, target.address())));
  timespec time{};
  EXPECT_EQ(code.At<ClockCall>(kGettime)(CLOCK_MONOTONIC, &time), 42);
  EXPECT_EQ(code.At<DayCall>(kDay)(nullptr, nullptr), 42);
  EXPECT_EQ(code.At<ClockCall>(kGetres)(CLOCK_MONOTONIC, &time), 0);
  EXPECT_EQ(time.tv_nsec, 1);
  EXPECT_EQ(code.At<RandomCall>(kRandom)(nullptr, 0, 0, nullptr, ~size_t{0}), kGetrandomAnswer);
  EXPECT_FALSE(machine::VdsoForwards(image, ByteSpan(other).first(100), target.address()).ok());
}

TEST_P(OnMadeUpImages, AFunctionWithoutRoomForAJumpMakesTheCall) {
  uint64_t day = VdsoImage::kText + 64;
  std::vector<uint8_t> image =
      VdsoImage(HostArch(), GetParam())
          .Add(NameOf(Sys::clock_gettime), VdsoImage::kText, (kLeastPatchBytes + 3) / 4 * 4)
          .Add(NameOf(Sys::gettimeofday), day, 64)
          .Build();
  std::vector<uint8_t> other = VdsoImage(HostArch(), GetParam())
                                   .Add(NameOf(Sys::clock_gettime), VdsoImage::kText, 64)
                                   .Build();
  Executable code(Patched(image, machine::VdsoForwards(image, other, 0x1234'5678'0000)));
  // Room for the jump may be found elsewhere; then it isn't tried here, where it leads nowhere.
  if (kLeastPatchBytes >= 8) ExpectClockWorks(code.At<ClockCall>(VdsoImage::kText));
  timeval now{};
  EXPECT_EQ(code.At<DayCall>(day)(&now, nullptr), 0);
}

TEST_P(OnMadeUpImages, S16_AFunctionWithoutRoomIsRefusedByName) {
  std::string name = NameOf(Sys::clock_getres);
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, kLeastPatchBytes - 1}) {
    std::vector<uint8_t> image = VdsoImage(HostArch(), GetParam())
                                     .Add(NameOf(Sys::clock_gettime), VdsoImage::kText, 64)
                                     .Add(name, VdsoImage::kText + 64, size)
                                     .Add("next", VdsoImage::kText + 64 + size, 16)
                                     .Build();
    Result<std::vector<Patch>> patches = machine::VdsoPatches(image);
    ASSERT_FALSE(patches.ok()) << size;
    EXPECT_THAT(patches.error().Message(), HasSubstr(name));
  }
}

TEST_P(OnMadeUpImages, S16_AFunctionThatAnotherBeginsInIsRefusedByName) {
  std::string name = NameOf(Sys::clock_gettime);
  std::vector<uint8_t> image = VdsoImage(HostArch(), GetParam())
                                   .Add(name, VdsoImage::kText, 64)
                                   .Add("inner", VdsoImage::kText + kLeastPatchBytes - 2, 16)
                                   .Build();
  Result<std::vector<Patch>> patches = machine::VdsoPatches(image);
  ASSERT_FALSE(patches.ok());
  EXPECT_THAT(patches.error().Message(), HasSubstr(name));
}

TEST_P(OnMadeUpImages, S14_AliasesArePatchedOnceAndAllAreFound) {
  VdsoImage made(HostArch(), GetParam());
  uint64_t at = VdsoImage::kText;
  std::map<Sys, uint64_t> places;
  for (const VdsoSymbol& symbol : HostArch().vdso_symbols) {
    auto [place, fresh] = places.emplace(symbol.sys, at);
    if (fresh) at += 64;
    made.Add(std::string(symbol.name), place->second, 64);
  }
  made.Add("absolute", 0, 0, STT_OBJECT);
  std::vector<uint8_t> image = made.Build();
  Result<std::vector<VdsoFunction>> functions = VdsoFunctions(image, HostArch());
  ASSERT_TRUE(functions.ok()) << functions.error().Message();
  EXPECT_EQ(functions->size(), HostArch().vdso_symbols.size());
  Result<std::vector<Patch>> patches = machine::VdsoPatches(image);
  ASSERT_TRUE(patches.ok()) << patches.error().Message();
  EXPECT_EQ(patches->size(), places.size());
}

TEST_P(OnMadeUpImages, WithoutTimeFunctionsThereIsNothingToDo) {
  std::vector<uint8_t> image =
      VdsoImage(HostArch(), GetParam()).Add("other", VdsoImage::kText, 64).Build();
  Result<std::vector<Patch>> patches = machine::VdsoPatches(image);
  ASSERT_TRUE(patches.ok());
  EXPECT_TRUE(patches->empty());
  std::vector<uint8_t> empty = VdsoImage(HostArch(), GetParam()).Build();
  EXPECT_TRUE(machine::VdsoPatches(empty).ok());
}

TEST_P(OnMadeUpImages, DamageIsAnErrorAndNothingIsReadOutside) {
  std::vector<uint8_t> image = VdsoImage(HostArch(), GetParam())
                                   .Add(NameOf(Sys::clock_gettime), VdsoImage::kText, 64)
                                   .Add(NameOf(Sys::gettimeofday), VdsoImage::kText + 64, 64)
                                   .Build();
  // Cut off anywhere. Exact heap copies, so that a sanitizer or valgrind sees any read behind them.
  for (size_t size = 0; size < VdsoImage::kText + 128; size += size < 200 ? 1 : 31) {
    std::unique_ptr<uint8_t[]> cut(new uint8_t[size]);
    memcpy(cut.get(), image.data(), size);
    EXPECT_FALSE(machine::VdsoPatches({cut.get(), size}).ok()) << size;
  }
  // Any byte of the headers and tables changed: an error, or patches that lie in the image.
  constexpr std::pair<uint64_t, uint64_t> kTables[] = {{0, 176},
                                                       {VdsoImage::kDynamic, 96},
                                                       {VdsoImage::kHash, 48},
                                                       {VdsoImage::kSymbols, 72},
                                                       {VdsoImage::kNames, 48}};
  for (auto [begin, size] : kTables) {
    for (size_t at = begin; at < begin + size; ++at) {
      uint8_t right = image[at];
      for (uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        image[at] = value;
        Result<std::vector<Patch>> patches = machine::VdsoPatches(image);
        if (!patches.ok()) continue;
        for (const Patch& patch : *patches) {
          EXPECT_LE(patch.offset, image.size());
          EXPECT_LE(patch.bytes.size(), image.size() - patch.offset);
        }
      }
      image[at] = right;
    }
  }
}

TEST_P(OnMadeUpImages, TheOtherArchitectureIsRefused) {
  const ArchDescription& other =
      HostArch().id == ArchId::kX86_64 ? Aarch64Description() : X86_64Description();
  std::vector<uint8_t> image = VdsoImage(other, GetParam()).Build();
  EXPECT_FALSE(machine::VdsoPatches(image).ok());
  EXPECT_TRUE(VdsoFunctions(image, other).ok());
}

INSTANTIATE_TEST_SUITE_P(Hash, OnMadeUpImages,
                         testing::Values(VdsoImage::Hash::kSysv, VdsoImage::Hash::kGnu));

// The image of the vDSO in this process; empty where there is none. These tests are labelled
// native: a user-mode emulator gives none.
std::vector<uint8_t> LiveImage() {
  uint64_t base = getauxval(AT_SYSINFO_EHDR);
  if (base == 0) return {};
  FILE* maps = fopen("/proc/self/maps", "re");
  std::vector<uint8_t> image;
  char line[512];
  while (maps != nullptr && fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin, end;
    if (sscanf(line, "%lx-%lx", &begin, &end) == 2 && begin == base) {
      image.assign(reinterpret_cast<uint8_t*>(begin), reinterpret_cast<uint8_t*>(end));
    }
  }
  if (maps != nullptr) fclose(maps);
  return image;
}

class OnTheLiveVdso : public testing::Test {
 protected:
  void SetUp() override {
    image_ = LiveImage();
    ASSERT_FALSE(image_.empty()) << "this process has no vDSO";
  }

  // Where libc's own lookup finds a function, as an offset; 0 if there is none.
  uint64_t Find(std::string_view name) {
    void* vdso = dlopen("linux-vdso.so.1", RTLD_NOLOAD | RTLD_LAZY);
    if (vdso == nullptr) return 0;
    void* found = dlsym(vdso, std::string(name).c_str());
    dlclose(vdso);
    if (found == nullptr) return 0;
    uint64_t at = reinterpret_cast<uint64_t>(found) - getauxval(AT_SYSINFO_EHDR);
    return at < image_.size() ? at : 0;
  }

  std::vector<uint8_t> image_;
};

TEST_F(OnTheLiveVdso, S14_EveryExportedTimeFunctionIsPatched) {
  std::vector<uint8_t> patched = Patched(image_);
  int found = 0;
  for (const VdsoSymbol& symbol : HostArch().vdso_symbols) {
    uint64_t at = Find(symbol.name);
    if (at == 0) continue;
    ++found;
    EXPECT_NE(memcmp(image_.data() + at, patched.data() + at, 4), 0) << symbol.name;
  }
  EXPECT_GE(found, 3);
}

TEST_F(OnTheLiveVdso, S16_OnlyBytesOfReplacedFunctionsChange) {
  std::vector<uint8_t> patched = Patched(image_);
  Result<std::vector<VdsoFunction>> functions = VdsoFunctions(image_, HostArch());
  ASSERT_TRUE(functions.ok());
  for (uint64_t at = 0; at < image_.size(); ++at) {
    if (image_[at] == patched[at]) continue;
    bool inside = false;
    for (const VdsoFunction& function : *functions) {
      inside |= function.sys != Sys::kNone && function.Contains(at);
      EXPECT_FALSE(function.sys == Sys::kNone && function.Contains(at)) << function.name;
    }
    EXPECT_TRUE(inside) << at;
  }
}

TEST_F(OnTheLiveVdso, S15_PatchedFunctionsAnswerAsTheKernelDoes) {
  Executable code(Patched(image_));
  int called = 0;
  for (const VdsoSymbol& symbol : HostArch().vdso_symbols) {
    uint64_t at = Find(symbol.name);
    if (at == 0) continue;
    ++called;
    SCOPED_TRACE(symbol.name);
    if (symbol.sys == Sys::clock_gettime) {
      ExpectClockWorks(code.At<ClockCall>(at));
    } else if (symbol.sys == Sys::clock_getres) {
      EXPECT_EQ(code.At<ClockCall>(at)(CLOCK_REALTIME, nullptr), 0);
      EXPECT_EQ(code.At<ClockCall>(at)(CLOCK_REALTIME, reinterpret_cast<timespec*>(8)), -EFAULT);
    } else if (symbol.sys == Sys::gettimeofday) {
      timeval day{};
      EXPECT_EQ(code.At<DayCall>(at)(&day, nullptr), 0);
      EXPECT_NEAR(static_cast<double>(day.tv_sec), static_cast<double>(time(nullptr)), 2);
      EXPECT_EQ(code.At<DayCall>(at)(nullptr, nullptr), 0);
      EXPECT_EQ(code.At<DayCall>(at)(reinterpret_cast<timeval*>(8), nullptr), -EFAULT);
    } else if (symbol.sys == Sys::time) {
      long now = code.At<long (*)(long*)>(at)(nullptr);
      EXPECT_NEAR(static_cast<double>(now), static_cast<double>(time(nullptr)), 2);
      EXPECT_EQ(code.At<long (*)(long*)>(at)(reinterpret_cast<long*>(8)), -EFAULT);
    } else if (symbol.sys == Sys::getcpu) {
      unsigned cpu = ~0u;
      EXPECT_EQ(code.At<long (*)(unsigned*, unsigned*, void*)>(at)(&cpu, nullptr, nullptr), 0);
      EXPECT_NE(cpu, ~0u);
    } else {
      EXPECT_EQ(symbol.sys, Sys::getrandom);
      EXPECT_EQ(code.At<RandomCall>(at)(nullptr, 0, 0, nullptr, ~size_t{0}), kGetrandomAnswer);
    }
  }
  EXPECT_GE(called, 3);
}

}  // namespace
}  // namespace retake
