// Parsing of /proc/PID/maps: odd names, both data mappings of the vDSO, and text that isn't a maps
// file.
#include "tracee/maps.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace retake {
namespace {

TEST(Maps, ReadsEveryField) {
  auto mappings = ParseMappings(
      "7f0000001000-7f0000003000 r-xp 00002000 fe:01 12345                      /a b/c (deleted)\n"
      "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]\n"
      "10000-11000 ---s 00000000 00:05 7\n");
  ASSERT_TRUE(mappings.ok()) << mappings.error().Message();
  ASSERT_EQ(mappings->size(), 3U);
  const Mapping& file = (*mappings)[0];
  EXPECT_EQ(file.start, 0x7f0000001000U);
  EXPECT_EQ(file.size(), 0x2000U);
  EXPECT_EQ(file.prot, static_cast<uint32_t>(PROT_READ | PROT_EXEC));
  EXPECT_FALSE(file.shared);
  EXPECT_EQ(file.offset, 0x2000U);
  EXPECT_EQ(file.inode, 12345U);
  EXPECT_EQ(file.name, "/a b/c (deleted)");
  EXPECT_TRUE((*mappings)[1].is_stack());
  EXPECT_FALSE((*mappings)[1].is_file());
  EXPECT_TRUE((*mappings)[2].shared);
  EXPECT_TRUE((*mappings)[2].is_file());
  EXPECT_EQ((*mappings)[2].prot, 0U);
  EXPECT_EQ((*mappings)[2].name, "");
}

TEST(Maps, KnowsTheVdsosDataByPrefix) {
  auto mappings = ParseMappings(
      "7fff0000-7fff4000 r--p 00000000 00:00 0 [vvar]\n"
      "7fff4000-7fff6000 r--p 00000000 00:00 0 [vvar_vclock]\n"
      "7fff6000-7fff8000 r-xp 00000000 00:00 0 [vdso]\n");
  ASSERT_TRUE(mappings.ok());
  EXPECT_TRUE((*mappings)[0].is_vvar());
  EXPECT_TRUE((*mappings)[1].is_vvar());
  EXPECT_FALSE((*mappings)[2].is_vvar());
  EXPECT_TRUE((*mappings)[2].is_vdso());
}

TEST(Maps, RefusesWhatIsNone) {
  for (const char* text :
       {"nonsense\n", "1000-2000\n", "1000-2000 rwxp 0 00:00\n", "2000-1000 r--p 0 00:00 0\n",
        "1000-2000 r\n", "-2000 r--p 0 00:00 0\n"}) {
    EXPECT_FALSE(ParseMappings(text).ok()) << text;
  }
}

}  // namespace
}  // namespace retake
