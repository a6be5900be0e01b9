// Where instructions are that can be made to trap: in code made here, in libc and the loader as
// Zydis sees them; and that they do trap.
#include <Zydis/Zydis.h>
#include <gtest/gtest.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstring>

#include "arch/code.h"

namespace retake::machine {
namespace {

using Code = std::vector<uint8_t>;

void Add(Code& code, std::initializer_list<uint8_t> bytes) {
  code.insert(code.end(), bytes.begin(), bytes.end());
}

// Instructions as compilers write them, for disassembly to fall into step with.
Code Plain(size_t count) {
  Code code;
  for (size_t i = 0; i < count; ++i) {
    Add(code, {0x48, 0x89, 0xc3});                                 // mov %rax, %rbx
    Add(code, {0x48, 0x8b, 0x44, 0x24, 0x08});                     // mov 8(%rsp), %rax
    Add(code, {0xe8, 0x10, static_cast<uint8_t>(i), 0x00, 0x00});  // call
    Add(code, {0x85, 0xc0, 0x74, 0x05});                           // test %eax, %eax; je
  }
  return code;
}

std::optional<size_t> NoTables(size_t) { return std::nullopt; }

std::vector<size_t> OffsetsOf(const std::vector<TrapSite>& sites) {
  std::vector<size_t> offsets;
  offsets.reserve(sites.size());
  for (const TrapSite& site : sites) offsets.push_back(site.offset);
  return offsets;
}

std::vector<size_t> Find(const Code& code, const FunctionStart& start = NoTables) {
  return OffsetsOf(FindTrapSites(code, start));
}

TEST(X86TrapSites, InstructionsAreFoundByWhatTheyAre) {
  Code code = Plain(20);
  size_t counter = code.size();
  Add(code, {0x0f, 0x31});
  Add(code, {0x48, 0xc1, 0xe2, 0x20});  // shl $32, %rdx
  size_t counter_and_cpu = code.size();
  Add(code, {0x0f, 0x01, 0xf9});
  size_t prefixed = code.size() + 1;
  Add(code, {0x66, 0x0f, 0x31});
  size_t cpuid = code.size();
  Add(code, {0x0f, 0xa2, 0xc3});
  std::vector<TrapSite> sites = FindTrapSites(code, NoTables);
  EXPECT_EQ(OffsetsOf(sites), (std::vector<size_t>{counter, counter_and_cpu, prefixed, cpuid}));
  ASSERT_EQ(sites.size(), 4U);
  EXPECT_EQ(sites[0].kind, TrapKind::kTimestamp);
  EXPECT_EQ(sites[1].kind, TrapKind::kTimestampAndCpu);
  EXPECT_EQ(sites[3].kind, TrapKind::kCpuid);
  for (const TrapSite& site : sites) {
    EXPECT_EQ(memcmp(site.original.data(), code.data() + site.offset, site.size), 0);
    TrappedInstruction insn = DecodeTrap(ByteSpan(site.trap).first(site.size));
    EXPECT_EQ(insn.kind, site.kind);
    EXPECT_EQ(insn.length, site.size);
    // All that steps and moves code takes it for what it stands for.
    EXPECT_EQ(DecodeInstruction(0, ByteSpan(site.trap).first(site.size)).length, site.size);
  }
}

TEST(X86TrapSites, OtherInstructionsWithTheseBytesAreLeftAlone) {
  Code code = Plain(20);
  Add(code, {0xb8, 0x0f, 0x31, 0x00, 0x00});        // mov $0x310f, %eax
  Add(code, {0xe8, 0x0f, 0xa2, 0xff, 0xff});        // call
  Add(code, {0x48, 0x8b, 0x0f, 0x31, 0xc0});        // mov (%rdi), %rcx; xor %eax, %eax
  Add(code, {0x8b, 0x83, 0x0f, 0x01, 0xf9, 0xff});  // mov -0x6fef1(%rbx), %eax
  Add(code, {0x0f, 0x01, 0xf8});                    // swapgs
  Code behind = Plain(20);
  code.insert(code.end(), behind.begin(), behind.end());
  EXPECT_EQ(Find(code), std::vector<size_t>{});
}

TEST(X86TrapSites, FromAnEntryExecutionIsFollowed) {
  Code code;
  Add(code, {0xb8, 0x0f, 0x31, 0x00, 0x00});        // 0: mov $0x310f, %eax
  Add(code, {0x0f, 0x31});                          // 5: rdtsc
  Add(code, {0x74, 0x05});                          // 7: je 14
  Add(code, {0xe8, 0x07, 0x00, 0x00, 0x00});        // 9: call 21
  Add(code, {0xc3});                                // 14: ret
  Add(code, {0x0f, 0xa2, 0x0f, 0xa2});              // 15: constants
  Add(code, {0xff, 0xe0});                          // 19: jmp *%rax
  Add(code, {0xf3, 0x0f, 0x01, 0xf9});              // 21: rep rdtscp
  Add(code, {0x0f, 0x85, 0x02, 0x00, 0x00, 0x00});  // 25: jne 33
  Add(code, {0xeb, 0xed});                          // 31: jmp 14
  Add(code, {0x0f, 0xa2});                          // 33: cpuid
  Add(code, {0xeb, 0xfc});                          // 35: jmp 33
  Add(code, {0x0f, 0xa2});                          // 37
  EXPECT_EQ(OffsetsOf(FindTrapSitesFrom(code, 0)), (std::vector<size_t>{5, 22, 33}));
  EXPECT_EQ(OffsetsOf(FindTrapSitesFrom(code, 19)), std::vector<size_t>{});
  EXPECT_EQ(OffsetsOf(FindTrapSitesFrom(code, 37)), std::vector<size_t>{37});
  EXPECT_EQ(OffsetsOf(FindTrapSitesFrom(code, code.size())), std::vector<size_t>{});
  // What traps already is passed.
  for (const TrapSite& site : FindTrapSitesFrom(code, 0)) code[site.offset] = site.trap[0];
  EXPECT_EQ(OffsetsOf(FindTrapSitesFrom(code, 0)), std::vector<size_t>{});
  // An instruction that the code ends within is none.
  for (size_t size = 1; size < code.size(); ++size)
    FindTrapSitesFrom(ByteSpan(code).first(size), 0);
}

TEST(X86TrapSites, LongRunsOfThemAreFoundWhole) {
  // Out of step, such a run reads as another: 31 0f is xor %ecx, (%rdi).
  Code code = Plain(100);
  std::vector<size_t> expected;
  for (int i = 0; i < 400; ++i) {
    expected.push_back(code.size());
    Add(code, {0x0f, 0x31});
  }
  EXPECT_EQ(Find(code), expected);
}

TEST(X86TrapSites, ZerosBeforeAFunctionAreNoCode) {
  for (size_t zeros : {2, 3, 6, 7}) {
    Code code = Plain(20);
    Add(code, {0xc3});
    code.resize(code.size() + zeros);
    size_t function = code.size();
    Add(code, {0x0f, 0x31, 0xc3});
    EXPECT_EQ(Find(code), std::vector<size_t>{function}) << zeros;
  }
}

TEST(X86TrapSites, TablesDecideWhereTheyReach) {
  // mov (%rdi), %rcx behind what looks like the beginning of another instruction.
  Code code = Plain(20);
  Add(code, {0xc3, 0x00});
  size_t function = code.size();
  Add(code, {0x48, 0x8b, 0x0f, 0x31, 0xc0, 0xc3});
  EXPECT_EQ(Find(code, [&](size_t) { return function; }), std::vector<size_t>{});
}

TEST(X86TrapSites, TheEndOfTheCodeIsNotPassed) {
  for (size_t size = 1; size < 70; ++size) {
    auto* page = static_cast<uint8_t*>(
        mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(page, MAP_FAILED);
    ASSERT_EQ(mprotect(page + 4096, 4096, PROT_NONE), 0);
    uint8_t* code = page + 4096 - size;
    memset(code, 0x90, size);
    code[size - 1] = 0x0f;
    EXPECT_TRUE(FindTrapSites({code, size}, NoTables).empty());
    if (size >= 2) {
      code[size - 2] = 0x0f;
      code[size - 1] = 0x31;
      EXPECT_EQ(FindTrapSites({code, size}, NoTables).size(), 1U) << size;
    }
    munmap(page, 8192);
  }
}

// The executable segments of libc and the loader, disassembled from their beginning by Zydis.
TEST(X86TrapSites, AgreeWithZydisOnAllOfLibcAndTheLoader) {
  auto compare = [](dl_phdr_info* info, size_t, void* total) {
    if (strstr(info->dlpi_name, "libc.so") == nullptr &&
        strstr(info->dlpi_name, "ld-linux") == nullptr)
      return 0;
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = info->dlpi_phdr[i];
      if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
      ByteSpan code(reinterpret_cast<const uint8_t*>(info->dlpi_addr + segment.p_vaddr),
                    segment.p_filesz);
      std::vector<size_t> expected;
      ZydisDecodedInstruction insn;
      for (size_t at = 0; at < code.size(); at += insn.length) {
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, code.data() + at,
                                                        code.size() - at, &insn))) {
          insn.length = 1;
          continue;
        }
        if (insn.mnemonic == ZYDIS_MNEMONIC_RDTSC || insn.mnemonic == ZYDIS_MNEMONIC_RDTSCP ||
            insn.mnemonic == ZYDIS_MNEMONIC_CPUID)
          expected.push_back(at);
      }
      EXPECT_EQ(OffsetsOf(FindTrapSites(code, NoTables)), expected) << info->dlpi_name;
      *static_cast<size_t*>(total) += expected.size();
    }
    return 0;
  };
  size_t total = 0;
  dl_iterate_phdr(compare, &total);
  EXPECT_GT(total, 10U);
}

int answered = 0;

void Answer(int, siginfo_t*, void* context) {
  auto& gregs = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  TrappedInstruction insn = DecodeTrap({reinterpret_cast<const uint8_t*>(gregs[REG_RIP]), 16});
  if (insn.kind == TrapKind::kNone) _exit(2);
  ++answered;
  gregs[REG_RAX] = 0x1234;
  gregs[REG_RDX] = 0;
  gregs[REG_RIP] += insn.length;
}

TEST(X86TrapSites, ThoseReplacedRaiseSigill) {
  auto* page = static_cast<uint8_t*>(
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(page, MAP_FAILED);
  const Code code = {0x53, 0x0f, 0x31, 0x66, 0x0f, 0x01, 0xf9, 0x0f, 0xa2, 0x5b, 0xc3};
  memcpy(page, code.data(), code.size());
  std::vector<TrapSite> sites = FindTrapSites(code, NoTables);
  ASSERT_EQ(OffsetsOf(sites), (std::vector<size_t>{1, 4, 7}));
  for (const TrapSite& site : sites) memcpy(page + site.offset, site.trap.data(), site.size);
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = Answer;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGILL, &action, &before), 0);
  auto result = reinterpret_cast<uint32_t (*)()>(page)();
  sigaction(SIGILL, &before, nullptr);
  EXPECT_EQ(result, 0x1234U);
  EXPECT_EQ(answered, 3);
  munmap(page, 4096);
}

}  // namespace
}  // namespace retake::machine
