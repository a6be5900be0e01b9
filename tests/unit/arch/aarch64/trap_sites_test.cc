// Counter reads, and the udf that take their places.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstring>

#include "arch/code.h"

namespace retake::machine {
namespace {

std::optional<size_t> NoTables(size_t) { return std::nullopt; }

ByteSpan BytesOf(const std::vector<uint32_t>& words) {
  return {reinterpret_cast<const uint8_t*>(words.data()), words.size() * sizeof(uint32_t)};
}

TEST(Aarch64TrapSites, CounterReadsAreFoundAndKeepTheirMeaning) {
  // nop; mrs x3, cntvct_el0; mrs xzr, cntvctss_el0; mrs x30, cntfrq_el0; mrs x0, tpidr_el0; udf #0
  std::vector<uint32_t> words = {0xd503201f, 0xd53be043, 0xd53be0df,
                                 0xd53be01e, 0xd53bd040, 0x00000000};
  std::vector<TrapSite> sites = FindTrapSites(BytesOf(words), NoTables);
  ASSERT_EQ(sites.size(), 3U);
  for (size_t i = 0; i < sites.size(); ++i) {
    const TrapSite& site = sites[i];
    EXPECT_EQ(site.offset, (i + 1) * 4);
    EXPECT_EQ(site.size, 4);
    TrappedInstruction was = DecodeTrap(BytesOf(words).subspan(site.offset));
    TrappedInstruction is = DecodeTrap(site.trap);
    EXPECT_EQ(is.kind, TrapKind::kTimestamp);
    EXPECT_EQ(is.target, was.target);
    EXPECT_EQ(is.frequency, was.frequency);
    EXPECT_EQ(is.length, 4);
    EXPECT_EQ(DecodeInstruction(0, site.trap).kind, StepKind::kPlain);
  }
  EXPECT_EQ(DecodeTrap(BytesOf(words).subspan(20)).kind, TrapKind::kNone);
}

void Answer(int, siginfo_t*, void* context) {
  auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  TrappedInstruction insn = DecodeTrap({reinterpret_cast<const uint8_t*>(machine.pc), 4});
  if (insn.kind == TrapKind::kNone) _exit(2);
  machine.regs[insn.target] = 0x1234;
  machine.pc += insn.length;
}

TEST(Aarch64TrapSites, ThoseReplacedRaiseSigill) {
  auto* page = static_cast<uint32_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(page, MAP_FAILED);
  const std::vector<uint32_t> code = {0xd53be040, 0xd65f03c0};  // mrs x0, cntvct_el0; ret
  memcpy(page, code.data(), BytesOf(code).size());
  std::vector<TrapSite> sites = FindTrapSites(BytesOf(code), NoTables);
  ASSERT_EQ(sites.size(), 1U);
  memcpy(page, sites[0].trap.data(), sites[0].size);
  __builtin___clear_cache(reinterpret_cast<char*>(page), reinterpret_cast<char*>(page + 2));
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = Answer;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGILL, &action, &before), 0);
  auto result = reinterpret_cast<uint64_t (*)()>(page)();
  sigaction(SIGILL, &before, nullptr);
  EXPECT_EQ(result, 0x1234U);
  munmap(page, 4096);
}

}  // namespace
}  // namespace retake::machine
