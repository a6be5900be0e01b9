// The decoder against Zydis over all of libc's code and over random bytes; moved instructions
// against the originals, by executing both; the comparing trampoline by executing it.
#include "arch/code.h"

#include <Zydis/Zydis.h>
#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>

#include "arch/x86_64/instruction.h"
#include "arch/x86_64/layout.h"

namespace retake::machine {
namespace {

using namespace x86_64;

const ZydisDecoder& Oracle() {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder made;
    ZydisDecoderInit(&made, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return made;
  }();
  return decoder;
}

// Compares what both say of the instruction at the beginning of `code`; its length, or 0 if Zydis
// knows none.
size_t Compare(ByteSpan code) {
  ZydisDecodedInstruction theirs;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!ZYAN_SUCCESS(
          ZydisDecoderDecodeFull(&Oracle(), code.data(), code.size(), &theirs, operands))) {
    return 0;
  }
  // A coprocessor's encodings, and one maker's; to others they mean nothing, and are refused.
  constexpr ZydisISAExt kForeign[] = {ZYDIS_ISA_EXT_KNC, ZYDIS_ISA_EXT_KNCE, ZYDIS_ISA_EXT_KNCV,
                                      ZYDIS_ISA_EXT_PADLOCK};
  if (std::find(std::begin(kForeign), std::end(kForeign), theirs.meta.isa_ext) !=
      std::end(kForeign)) {
    return 0;
  }
  std::string bytes;
  for (size_t i = 0; i < theirs.length; ++i) bytes += fmt::format("{:02x} ", code[i]);
  SCOPED_TRACE(bytes + ZydisMnemonicGetString(theirs.mnemonic));
  std::optional<Instruction> ours = Decode(code);
  EXPECT_TRUE(ours.has_value());
  if (!ours) return theirs.length;
  EXPECT_EQ(ours->length, theirs.length);
  bool relative_memory = false;
  InstructionInfo info = DecodeInstruction(0x1000, code);
  for (int i = 0; i < theirs.operand_count; ++i) {
    const ZydisDecodedOperand& operand = operands[i];
    if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand.imm.is_relative) {
      if (theirs.mnemonic != ZYDIS_MNEMONIC_XBEGIN) {
        EXPECT_EQ(ours->immediate, operand.imm.value.s);
      }
    }
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
    if (operand.mem.base == ZYDIS_REGISTER_RIP || operand.mem.base == ZYDIS_REGISTER_EIP) {
      relative_memory = true;
    }
    // Each operand that is written lies within what we say may be.
    bool written = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    if (!written || operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN || info.unknown_writes) continue;
    if (info.kind != StepKind::kPlain) continue;
    Registers registers;
    ZydisRegisterContext context{};
    constexpr ZydisRegister kNames[] = {
        ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_RDX, ZYDIS_REGISTER_RBX,
        ZYDIS_REGISTER_RSP, ZYDIS_REGISTER_RBP, ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDI,
        ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9,  ZYDIS_REGISTER_R10, ZYDIS_REGISTER_R11,
        ZYDIS_REGISTER_R12, ZYDIS_REGISTER_R13, ZYDIS_REGISTER_R14, ZYDIS_REGISTER_R15};
    constexpr uint8_t kWords16[] = {kRax, kRcx, kRdx, kRbx, kRsp, kRbp, kRsi, kRdi,
                                    kR8,  kR9,  kR10, kR11, kR12, kR13, kR14, kR15};
    for (int n = 0; n < 16; ++n) {
      uint64_t value = 0x123456789abc0000 + 0x1111000000001000 * static_cast<uint64_t>(n);
      registers.words[kWords16[n]] = value;
      context.values[kNames[n]] = value;
      context.values[ZYDIS_REGISTER_EAX + n] = static_cast<uint32_t>(value);
    }
    uint64_t address = 0;
    if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(&theirs, &operand, 0x1000, &context, &address))) {
      continue;
    }
    uint64_t size = operand.size / 8;
    // Pushes: Zydis names the stack pointer as it was.
    bool pushes = operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
                  operand.mem.base == ZYDIS_REGISTER_RSP;
    if (pushes) address = registers.words[kRsp] - size;  // whatever the address size
    bool covered = false;
    for (int n = 0; n < info.write_count; ++n) {
      uint64_t start = info.writes[n].AddressIn(registers);
      covered = covered || (start <= address && address + size <= start + info.writes[n].size);
    }
    EXPECT_TRUE(covered) << fmt::format("{} bytes at {:#x}", size, address);
  }
  EXPECT_EQ(ours->pc_relative, relative_memory);
  return theirs.length;
}

TEST(X86Decoder, AgreesWithZydisOnAllOfLibc) {
  auto find = [](dl_phdr_info* info, size_t, void* data) {
    if (strstr(info->dlpi_name, "libc.so") == nullptr) return 0;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = info->dlpi_phdr[i];
      if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
        *static_cast<ByteSpan*>(data) = ByteSpan(
            reinterpret_cast<const uint8_t*>(info->dlpi_addr + segment.p_vaddr), segment.p_memsz);
      }
    }
    return 1;
  };
  ByteSpan code;
  ASSERT_EQ(dl_iterate_phdr(find, &code), 1);
  size_t instructions = 0;
  for (size_t at = 0; at < code.size() && !::testing::Test::HasFailure();) {
    size_t length = Compare(code.subspan(at));
    at += std::max<size_t>(length, 1);
    if (length != 0) ++instructions;
  }
  EXPECT_GT(instructions, 100'000u);
}

TEST(X86Decoder, AgreesWithZydisOnRandomBytes) {
  std::mt19937_64 random(1);
  size_t instructions = 0;
  for (int i = 0; i < 400'000 && !::testing::Test::HasFailure(); ++i) {
    uint8_t bytes[16];
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    // Escapes and prefixes more often than chance has them.
    constexpr uint8_t kOften[] = {0x0f, 0xc4, 0xc5, 0x62, 0x66, 0xf2, 0xf3, 0x48};
    if (i % 2 == 0) bytes[0] = kOften[random() % std::size(kOften)];
    if (i % 4 == 0) bytes[1] = i % 8 == 0 ? 0x0f : kOften[random() % std::size(kOften)];
    if (Compare(bytes) != 0) ++instructions;
  }
  EXPECT_GT(instructions, 100'000u);
}

TEST(X86Decoder, NeverReadsBehindItsBytes) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 100'000; ++i) {
    std::vector<uint8_t> bytes(random() % 16);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    InstructionInfo info = DecodeInstruction(0, bytes);
    EXPECT_LE(info.length, bytes.size());
  }
}

TEST(X86Steps, KindsAreTold) {
  auto kind = [](std::initializer_list<uint8_t> bytes) {
    return DecodeInstruction(0, std::vector<uint8_t>(bytes)).kind;
  };
  EXPECT_EQ(kind({0x0f, 0x05}), StepKind::kSyscall);
  EXPECT_EQ(kind({0x0f, 0x34}), StepKind::kSyscall);
  EXPECT_EQ(kind({0xcd, 0x80}), StepKind::kSyscall);
  EXPECT_EQ(kind({0xcc}), StepKind::kRefused);
  EXPECT_EQ(kind({0x8e, 0xd0}), StepKind::kRefused);  // mov ss, eax
  EXPECT_EQ(kind({0x06}), StepKind::kRefused);        // none
  EXPECT_EQ(kind({0xf3, 0x90}), StepKind::kPlain);    // pause
  EXPECT_EQ(kind({0x0f, 0x31}), StepKind::kPlain);    // rdtsc: faults if it traps
  EXPECT_TRUE(DecodeInstruction(0, std::vector<uint8_t>{0x9c}).stores_flags);
  EXPECT_TRUE(DecodeInstruction(0, std::vector<uint8_t>{0xf3, 0xaa}).repeats);
  EXPECT_FALSE(DecodeInstruction(0, std::vector<uint8_t>{0xaa}).repeats);
  EXPECT_TRUE(DecodeInstruction(0, std::vector<uint8_t>{0x0f, 0xae, 0x00}).unknown_writes);
}

// --- Execution

// Code is put at `site`; copies go 1 GiB away.
class MovedCodeTest : public ::testing::Test {
 protected:
  static constexpr size_t kSize = 4096;
  // Above what AddressSanitizer's shadow takes.
  static constexpr uint64_t kSite = 0x2000'0000'0000;
  static constexpr uint64_t kCopy = kSite - (uint64_t{1} << 30);
  static constexpr uint64_t kData = 0x6000'0000;

  void SetUp() override {
    for (uint64_t address : {kSite, kCopy, kData}) {
      void* got = mmap(reinterpret_cast<void*>(address), kSize, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      ASSERT_EQ(got, reinterpret_cast<void*>(address));
      memset(got, 0xcc, kSize);
    }
  }
  void TearDown() override {
    for (uint64_t address : {kSite, kCopy, kData}) munmap(reinterpret_cast<void*>(address), kSize);
  }
  static uint8_t* At(uint64_t address) { return reinterpret_cast<uint8_t*>(address); }
  static uint64_t Call(uint64_t address, uint64_t argument) {
    return reinterpret_cast<uint64_t (*)(uint64_t)>(address)(argument);
  }
};

struct Form {
  const char* name;
  std::vector<uint8_t> code;  // a function of one argument; its first bytes are moved
  size_t moved;               // bytes to move
};

const Form kForms[] = {
    {"straight line", {0x48, 0x89, 0xf8, 0x48, 0x83, 0xc0, 0x05, 0xc3}, 5},
    {"relative to rip",
     {0x48, 0x8d, 0x05, 0x03, 0, 0, 0, 0x48, 0x8b, 0x00, 0xc3, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66},
     5},
    {"load relative to rip, with an immediate",
     {0x48, 0xc7, 0x05, 0x08, 0, 0, 0, 0x07, 0, 0, 0,  // mov qword [rip + 8], 7
      0x48, 0x8b, 0x05, 0x01, 0, 0, 0, 0xc3, 1, 1, 1, 1, 1, 1, 1, 1},
     5},
    {"short conditional jump, taken or not",
     {0x48, 0x85, 0xff, 0x74, 0x04, 0x48, 0x89, 0xf8, 0xc3, 0xb8, 9, 0, 0, 0, 0xc3},
     5},
    {"long conditional jump",
     {0x48, 0x85, 0xff, 0x0f, 0x84, 0x04, 0, 0, 0, 0x48, 0x89, 0xf8, 0xc3, 0xb8, 9, 0, 0, 0, 0xc3},
     5},
    {"short jump", {0xeb, 0x03, 0xcc, 0xcc, 0xcc, 0xb8, 3, 0, 0, 0, 0xc3}, 5},
    {"long jump", {0xe9, 0x02, 0, 0, 0, 0xcc, 0xcc, 0xb8, 4, 0, 0, 0, 0xc3}, 5},
    {"jrcxz", {0x48, 0x89, 0xf9, 0xe3, 0x04, 0x48, 0x89, 0xf8, 0xc3, 0xb8, 6, 0, 0, 0, 0xc3}, 5},
    {"loop", {0x48, 0x89, 0xf9, 0x31, 0xc0, 0x48, 0xff, 0xc1, 0xff, 0xc0, 0xe2, 0xfc, 0xc3}, 11},
    {"loopne",
     {0x48, 0x89, 0xf9, 0xe0, 0x04, 0x48, 0x89, 0xc8, 0xc3, 0x48, 0x8d, 0x41, 0x40, 0xc3},
     5},
    // The callee gives back its return address.
    {"call", {0xe8, 0x01, 0, 0, 0, 0xc3, 0x48, 0x8b, 0x04, 0x24, 0xc3}, 5},
    {"call through a register",
     {0x48, 0x8d, 0x0d, 0x03, 0, 0, 0, 0xff, 0xd1, 0xc3, 0x48, 0x8b, 0x04, 0x24, 0xc3},
     9},
    {"call through memory relative to rip",
     {0x48, 0x8d, 0x0d, 0x0e, 0,    0, 0,     // lea rcx, [callee]
      0x48, 0x89, 0x0d, 0x0c, 0,    0, 0,     // mov [pointer], rcx
      0xff, 0x15, 0x06, 0,    0,    0, 0xc3,  // call [pointer]
      0x48, 0x8b, 0x04, 0x24, 0xc3,           // callee
      0,    0,    0,    0,    0,    0, 0,    0},
     20},
    {"return", {0x48, 0x89, 0xf8, 0xc3}, 4},
    {"flags live across", {0x48, 0x83, 0xff, 0x05, 0x0f, 0x92, 0xc0, 0x0f, 0xb6, 0xc0, 0xc3}, 7},
};

TEST_F(MovedCodeTest, DoesWhatTheOriginalDoes) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    memset(At(kSite), 0xcc, kSize);
    memset(At(kCopy), 0xcc, kSize);
    memcpy(At(kSite), form.code.data(), form.code.size());
    auto moved = MoveCode(kSite, ByteSpan(At(kSite), kSize), form.moved, kCopy);
    ASSERT_TRUE(moved.ok()) << moved.error().Message();
    EXPECT_LE(moved->consumed, form.moved + kMaxInstruction);
    memcpy(At(kCopy), moved->bytes.data(), moved->bytes.size());
    for (uint64_t argument : {0, 1, 2, 5, 77}) {
      uint64_t expected = Call(kSite, argument);
      EXPECT_EQ(Call(kCopy, argument), expected) << argument;
      // Through the jump, and back into the original.
      std::vector<uint8_t> jump = Jump(kSite, kCopy);
      memcpy(At(kSite), jump.data(), jump.size());
      EXPECT_EQ(Call(kSite, argument), expected) << argument;
      memcpy(At(kSite), form.code.data(), form.code.size());
    }
  }
}

TEST_F(MovedCodeTest, WhatCantBeMovedIsRefused) {
  const std::vector<uint8_t> refused[] = {
      {0x0f, 0x05, 0x90, 0x90, 0x90},              // syscall
      {0xcc, 0x90, 0x90, 0x90, 0x90},              // int3
      {0xd9, 0xe8, 0x90, 0x90, 0x90},              // fld1: leaves its address
      {0xff, 0xd4, 0x90, 0x90, 0x90},              // call rsp
      {0xff, 0x54, 0x24, 0x08, 0x90},              // call [rsp + 8]
      {0x06, 0x90, 0x90, 0x90, 0x90},              // nothing
      {0xc7, 0xf8, 0, 0, 0, 0},                    // xbegin
      {0x90, 0x90, 0x90, 0x90, 0x0f, 0x05, 0x90},  // syscall among those covered
  };
  for (const std::vector<uint8_t>& code : refused) {
    EXPECT_FALSE(MoveCode(kSite, code, 5, kCopy).ok()) << static_cast<int>(code[0]);
  }
  // Out of reach: 3 GiB away.
  std::vector<uint8_t> relative{0x48, 0x8d, 0x05, 0x03, 0, 0, 0};
  EXPECT_FALSE(MoveCode(kSite, relative, 5, kSite + 0xc000'0000).ok());
}

// Whatever byte of the jump an odd branch lands on, it traps there before anything happens.
TEST_F(MovedCodeTest, EveryByteOfAJumpBehindItsFirstTraps) {
  for (auto [low, high] : {std::pair(kSite - 0x6000'0000, kSite - 0x1000'0000),
                           std::pair(kSite + 0x1000'0000, kSite + 0x6000'0000)}) {
    auto target = PickJumpTarget(kSite, low, high, 8192);
    ASSERT_TRUE(target.has_value());
    EXPECT_GE(*target, low);
    EXPECT_LE(*target + 8192, high);
    std::vector<uint8_t> jump = Jump(kSite, *target);
    memcpy(At(kSite), jump.data(), jump.size());
    for (uint64_t at = 1; at < jump.size(); ++at) {
      static volatile uint64_t trapped_at;
      struct sigaction action {};
      struct sigaction before[3];
      action.sa_flags = SA_SIGINFO;
      action.sa_sigaction = [](int, siginfo_t*, void* context) {
        greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
        trapped_at = static_cast<uint64_t>(registers[REG_RIP]);
        registers[REG_RIP] = *reinterpret_cast<greg_t*>(registers[REG_RSP]);  // return
        registers[REG_RSP] += 8;
      };
      constexpr int kSignals[] = {SIGILL, SIGSEGV, SIGBUS};
      for (int i = 0; i < 3; ++i) sigaction(kSignals[i], &action, &before[i]);
      trapped_at = 0;
      Call(kSite + at, 0);
      for (int i = 0; i < 3; ++i) sigaction(kSignals[i], &before[i], nullptr);
      EXPECT_EQ(trapped_at, kSite + at);
    }
  }
  EXPECT_FALSE(PickJumpTarget(kSite, kSite + 0x1'0000'0000, kSite + 0x2'0000'0000, 8192));
}

}  // namespace
}  // namespace retake::machine
