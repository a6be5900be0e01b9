// What /proc/PID/smaps says of mappings.
#include "snapshot/smaps.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "snapshot/checkpoint_image.h"

namespace retake {
namespace {

TEST(Smaps, MappingsWithTheirFlags) {
  auto all = ParseSmaps(
      "00400000-00401000 r-xp 00000000 fe:00 12                         /bin/a b\n"
      "Size:                  4 kB\n"
      "Rss:                   4 kB\n"
      "ProtectionKey:         3\n"
      "VmFlags: rd ex mr mw me sd \n"
      "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\n"
      "Anonymous:             8 kB\n"
      "VmFlags: rd wr mr mw me gd ac lo zz dd \n");
  ASSERT_TRUE(all.ok()) << all.error().Message();
  ASSERT_EQ(all->size(), 2u);
  const MappingDetails& program = (*all)[0];
  EXPECT_EQ(program.mapping.start, 0x40'0000u);
  EXPECT_EQ(program.mapping.name, "/bin/a b");
  EXPECT_EQ(program.protection_key, 3u);
  EXPECT_EQ(program.flags, 0u);
  EXPECT_EQ(program.unknown_flags, "");
  const MappingDetails& stack = (*all)[1];
  EXPECT_EQ(stack.flags, static_cast<uint64_t>(kGrowsDown | kLocked | kDontDump));
  EXPECT_EQ(stack.unknown_flags, " zz");
}

TEST(Smaps, WhatIsNoMappingIsAnError) {
  EXPECT_FALSE(ParseSmaps("00400000 r-xp\n").ok());
  auto nothing = ParseSmaps("");
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->empty());
  EXPECT_TRUE(ParseSmaps("VmFlags: rd\nProtectionKey: 1\n").ok());
}

// Each flag that this kernel can be made to show.
TEST(Smaps, TheKernelsOwn) {
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  struct {
    int advice;
    uint64_t flag;
  } const kinds[] = {
      {MADV_DONTFORK, kDontFork},      {MADV_WIPEONFORK, kWipeOnFork}, {MADV_DONTDUMP, kDontDump},
      {MADV_SEQUENTIAL, kSequential},  {MADV_RANDOM, kRandom},         {MADV_HUGEPAGE, kHugePages},
      {MADV_NOHUGEPAGE, kNoHugePages},
  };
  for (const auto& kind : kinds) {
    void* at = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(at, MAP_FAILED);
    // Huge pages may be compiled out.
    bool advised = madvise(at, page, kind.advice) == 0;
    auto all = ReadSmaps(getpid());
    ASSERT_TRUE(all.ok());
    auto found = std::ranges::find_if(*all, [&](const MappingDetails& one) {
      return one.mapping.start <= reinterpret_cast<uint64_t>(at) &&
             reinterpret_cast<uint64_t>(at) < one.mapping.end;
    });
    ASSERT_NE(found, all->end());
    EXPECT_EQ(found->flags & kind.flag, advised ? kind.flag : 0) << kind.advice;
    EXPECT_EQ(found->unknown_flags, "");
    munmap(at, page);
  }
}

}  // namespace
}  // namespace retake
