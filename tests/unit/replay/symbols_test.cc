// Symbols of this very program, and of files that are damaged in every way.
#include "replay/symbols.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <random>

namespace retake {

// Found by name below. Of some length, whatever the optimisation: its first eight bytes are
// searched for.
__attribute__((noinline)) int SymbolsTestLandmark(int value) {
  volatile int kept = value * 3;
  return kept;
}

namespace {

std::vector<uint8_t> Self() {
  std::ifstream file("/proc/self/exe", std::ios::binary | std::ios::ate);
  std::vector<uint8_t> bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

TEST(Symbols, FindsAFunctionByAnyAddressInIt) {
  const auto bytes = Self();
  const ElfImage elf(bytes);
  ASSERT_TRUE(elf.valid());
  // Where this program is loaded is unknown here: search for the landmark's bytes in the file.
  const auto* code = reinterpret_cast<const uint8_t*>(&SymbolsTestLandmark);
  const auto at = std::search(bytes.begin(), bytes.end(), code, code + 8);
  ASSERT_NE(at, bytes.end());
  uint64_t offset = static_cast<uint64_t>(at - bytes.begin());
  // The same eight bytes may begin other functions: go on until the name fits.
  std::optional<ElfSymbol> found;
  for (auto next = at; next != bytes.end();
       next = std::search(next + 1, bytes.end(), code, code + 8)) {
    offset = static_cast<uint64_t>(next - bytes.begin());
    const auto address = elf.CodeAddress(offset);
    found = address ? elf.FindFunction(*address) : std::nullopt;
    if (found && Demangle(found->name) == "retake::SymbolsTestLandmark(int)") break;
    found.reset();
  }
  ASSERT_TRUE(found);
  EXPECT_EQ(found->address, *elf.CodeAddress(offset));
  EXPECT_GT(found->size, 4u);
  const auto last = elf.FindFunction(found->address + found->size - 1);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->name, found->name);
  const auto behind = elf.FindFunction(found->address + found->size);
  EXPECT_TRUE(!behind || behind->name != found->name);
}

TEST(Symbols, ThereAreUnwindTablesHere) {
  const auto bytes = Self();
  const auto table = ElfImage(bytes).UnwindTable();
  ASSERT_TRUE(table);
  EXPECT_GT(table->size, 12u);
}

TEST(Symbols, WhatIsNoElfHasNone) {
  const std::vector<uint8_t> text(4096, 'x');
  for (ByteSpan bytes : {ByteSpan(), ByteSpan(text), ByteSpan(text).first(3)}) {
    const ElfImage elf(bytes);
    EXPECT_FALSE(elf.valid());
    EXPECT_FALSE(elf.CodeAddress(0));
    EXPECT_FALSE(elf.FindFunction(0));
    EXPECT_FALSE(elf.UnwindTable());
  }
}

// Reads all that a stack trace would, so that a memory checker sees it.
void UseAll(ByteSpan bytes) {
  const ElfImage elf(bytes);
  for (uint64_t offset : {uint64_t{0}, uint64_t{0x1000}, uint64_t{0x20000}, ~uint64_t{0}}) {
    if (auto address = elf.CodeAddress(offset)) {
      if (auto symbol = elf.FindFunction(*address)) Demangle(symbol->name);
    }
    if (auto symbol = elf.FindFunction(offset)) Demangle(symbol->name);
  }
}

// A small ELF file with one symbol, every field of which can be made hostile.
struct SmallElf {
  Elf64_Ehdr header{};
  Elf64_Phdr segment{};
  Elf64_Shdr sections[3] = {};
  Elf64_Sym symbol{};
  char strings[16] = "\0_Z3foov";

  SmallElf() {
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_phoff = offsetof(SmallElf, segment);
    header.e_phentsize = sizeof segment;
    header.e_phnum = 1;
    header.e_shoff = offsetof(SmallElf, sections);
    header.e_shentsize = sizeof sections[0];
    header.e_shnum = 3;
    segment = {PT_LOAD, PF_X, 0, 0x1000, 0, 0x1000, 0x1000, 0x1000};
    sections[1].sh_type = SHT_SYMTAB;
    sections[1].sh_offset = offsetof(SmallElf, symbol);
    sections[1].sh_size = sizeof symbol;
    sections[1].sh_link = 2;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_offset = offsetof(SmallElf, strings);
    sections[2].sh_size = sizeof strings;
    symbol.st_name = 1;
    symbol.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    symbol.st_shndx = 1;
    symbol.st_value = 0x1100;
    symbol.st_size = 0x20;
  }
  ByteSpan bytes() const { return {reinterpret_cast<const uint8_t*>(this), sizeof *this}; }
};

TEST(Symbols, ASmallFileIsRead) {
  const SmallElf file;
  const ElfImage elf(file.bytes());
  const auto address = elf.CodeAddress(0x110);
  ASSERT_EQ(address, 0x1110u);
  const auto symbol = elf.FindFunction(*address);
  ASSERT_TRUE(symbol);
  EXPECT_EQ(Demangle(symbol->name), "foo()");
  EXPECT_FALSE(elf.FindFunction(0x1120));
  EXPECT_FALSE(elf.FindFunction(0x10ff));
}

TEST(Symbols, HostileFieldsAreBounded) {
  const uint64_t hostile[] = {
      0, 1, 0x7fffffff, 0xffffffff, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 63};
  // Every 8-byte field of the file in turn, and every 4- and 2-byte one.
  for (size_t width : {2, 4, 8}) {
    for (size_t at = 0; at + width <= sizeof(SmallElf); at += width) {
      for (uint64_t value : hostile) {
        SmallElf file;
        memcpy(reinterpret_cast<uint8_t*>(&file) + at, &value, width);
        // In memory that ends where the file does.
        const std::vector<uint8_t> exact(file.bytes().begin(), file.bytes().end());
        UseAll(exact);
      }
    }
  }
}

TEST(Symbols, FilesCutShortOrDamagedAtRandomAreBounded) {
  const auto whole = Self();
  std::mt19937_64 random(1);
  for (int round = 0; round < 40; ++round) {
    std::vector<uint8_t> bytes(whole.begin(),
                               whole.begin() + static_cast<ptrdiff_t>(random() % whole.size()));
    if (round % 2 == 0) bytes = whole;
    // Most damage goes where structure is.
    for (int i = 0; i < 64 && !bytes.empty(); ++i) {
      bytes[random() % std::min<size_t>(bytes.size(), 1024)] = static_cast<uint8_t>(random());
      bytes[0] = ELFMAG0;
      if (bytes.size() > 6) memcpy(bytes.data(), "\177ELF\2\1", 6);
      bytes[bytes.size() - 1 - random() % std::min<size_t>(bytes.size(), 4096)] =
          static_cast<uint8_t>(random());
    }
    UseAll(bytes);
  }
}

TEST(Symbols, NamesThatArentMangledStay) {
  EXPECT_EQ(Demangle("main"), "main");
  EXPECT_EQ(Demangle("_Znonsense"), "_Znonsense");
  EXPECT_EQ(Demangle(""), "");
  EXPECT_EQ(Demangle("_ZNSt6vectorIiSaIiEE9push_backERKi"),
            "std::vector<int, std::allocator<int> >::push_back(int const&)");
}

TEST(Symbols, HostileNamesAreBounded) {
  const std::string deep = "_Z1f" + std::string(100'000, 'P') + "i";
  EXPECT_LE(Demangle(deep).size(), 100'010u);
  EXPECT_LE(Demangle("_Z1f" + std::string(900, 'P') + "i").size(), 4096u);
  // Substitutions that double the text each time.
  std::string doubling = "_Z1fI";
  for (int i = 0; i < 150; ++i) doubling += "1AIS_S_E";
  doubling += "Evv";
  EXPECT_LE(Demangle(doubling).size(), 4096u);
}

}  // namespace
}  // namespace retake
