// The husk: what kind of file it is, and that it runs and stops.
#include "stub/husk.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "arch/arch.h"
#include "stub/layout.h"

namespace retake {
namespace {

TEST(Husk, IsATinyStaticProgramClearOfTheStub) {
  ByteSpan husk = HuskElf();
  ASSERT_GE(husk.size(), sizeof(Elf64_Ehdr));
  EXPECT_LE(husk.size(), 4096u);
  Elf64_Ehdr header;
  memcpy(&header, husk.data(), sizeof header);
  ASSERT_EQ(memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
  EXPECT_EQ(header.e_type, ET_EXEC);
  EXPECT_EQ(header.e_machine, HostArch().elf_machine);
  int loads = 0;
  bool stack = false;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    ASSERT_LE(header.e_phoff + (i + 1) * sizeof segment, husk.size());
    memcpy(&segment, husk.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    EXPECT_NE(segment.p_type, static_cast<uint32_t>(PT_INTERP));
    EXPECT_NE(segment.p_type, static_cast<uint32_t>(PT_DYNAMIC));
    if (segment.p_type == PT_LOAD) {
      ++loads;
      // With the largest page size there is.
      EXPECT_FALSE(TouchesStub(segment.p_vaddr & ~uint64_t{0xffff}, segment.p_memsz + 0x20000));
    }
    if (segment.p_type == PT_GNU_STACK) {
      stack = true;
      EXPECT_EQ(segment.p_flags & PF_X, 0u);
    }
  }
  EXPECT_EQ(loads, 1);
  EXPECT_TRUE(stack);
}

TEST(Husk, RunsAndBreaks) {
  int file = memfd_create("husk", 0);
  ASSERT_GE(file, 0);
  ByteSpan husk = HuskElf();
  ASSERT_EQ(write(file, husk.data(), husk.size()), static_cast<ssize_t>(husk.size()));
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    rlimit none{};
    setrlimit(RLIMIT_CORE, &none);
    alarm(20);
    char name[] = "husk";
    char* argv[] = {name, nullptr};
    char* envp[] = {nullptr};
    fexecve(file, argv, envp);
    // Under user-mode emulation the kernel doesn't know the husk's architecture: the emulator does.
    std::string emulator = "qemu-" + std::string(HostArch().name);
    std::string path = "/proc/self/fd/" + std::to_string(file);
    if (errno == ENOEXEC) execlp(emulator.c_str(), emulator.c_str(), path.c_str(), nullptr);
    _exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGTRAP);
  close(file);
}

}  // namespace
}  // namespace retake
