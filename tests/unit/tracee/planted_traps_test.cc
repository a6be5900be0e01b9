// Traps planted in this very program's code, as a child has it mapped; what an ELF file says of its
// code.
#include "tracee/planted_traps.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "tracee/code_file.h"
#include "tracee/maps.h"

namespace retake {
namespace {

// The mapping of this program that holds the code that reads the counter.
Mapping OwnCode() {
  auto mappings = ReadMappings(getpid());
  auto address = reinterpret_cast<uint64_t>(
      static_cast<uint64_t (*)(const TrappedInstruction&)>(&machine::ReadTimestamp));
  for (const Mapping& mapping : *mappings) {
    if (mapping.start <= address && address < mapping.end) return mapping;
  }
  ADD_FAILURE() << "no mapping holds this program's code";
  return {};
}

class PlantedTraps : public ::testing::Test {
 protected:
  PlantedTraps() : file_(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), code_(OwnCode()) {
    EXPECT_EQ(fstat(file_.get(), &status_), 0);
  }

  std::vector<PlantedTrap> PlantIn(pid_t pid, TrapKinds kinds) {
    auto memory = TaskMemory::Open(pid);
    EXPECT_TRUE(memory.ok()) << memory.error().Message();
    auto planted = planter_.Plant(*memory, {code_.start, code_.size(), code_.offset}, file_.get(),
                                  status_, kinds);
    EXPECT_TRUE(planted.ok()) << planted.error().Message();
    return planted.ok() ? *planted : std::vector<PlantedTrap>();
  }

  TrapPlanter planter_;
  Fd file_;
  struct stat status_ {};
  Mapping code_;
};

void EndByTrap(int) { _exit(7); }

TEST_F(PlantedTraps, ReadsOfTheCounterTrapInTheProcessThatHasThem) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    signal(SIGILL, EndByTrap);
    char byte = 0;
    close(ends[1]);
    if (read(ends[0], &byte, 1) != 1) _exit(1);
    (void)machine::ReadTimestamp(TrappedInstruction{.kind = TrapKind::kTimestamp});
    _exit(2);
  }
  std::vector<PlantedTrap> planted = PlantIn(child, {.timestamp = true});
  EXPECT_FALSE(planted.empty());
  EXPECT_TRUE(std::all_of(planted.begin(), planted.end(), [](const PlantedTrap& trap) {
    return trap.site.kind != TrapKind::kCpuid;
  }));
  // What is planted isn't planted again.
  EXPECT_TRUE(PlantIn(child, {.timestamp = true}).empty());
  EXPECT_EQ(write(ends[1], "", 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 7);
  // Here they don't.
  EXPECT_NE(machine::ReadTimestamp(), 0U);
  close(ends[0]);
  close(ends[1]);
}

TEST_F(PlantedTraps, OnlyWhatIsMappedIsChanged) {
  pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  std::vector<PlantedTrap> all = PlantIn(child, {.timestamp = true});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_FALSE(all.empty());
  // A mapping that ends where the first begins, and one that begins behind it.
  uint64_t first = all.front().address;
  auto memory = TaskMemory::Open(getpid());
  ASSERT_TRUE(memory.ok());
  MappedCode before{code_.start, first - code_.start, code_.offset};
  auto none = planter_.Plant(*memory, before, file_.get(), status_, {.timestamp = true});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
  auto nothing =
      planter_.Plant(*memory, {code_.start, code_.size(), code_.offset}, file_.get(), status_, {});
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->empty());
}

// Keeps one note in memory.
class OneNote : public CodeNotes {
 public:
  std::optional<std::vector<uint8_t>> Find(const struct stat&, std::string_view) const override {
    return note;
  }
  void Keep(const struct stat&, std::string_view, ByteSpan bytes) override {
    note.emplace(bytes.begin(), bytes.end());
    ++kept;
  }
  std::optional<std::vector<uint8_t>> note;
  int kept = 0;
};

TEST_F(PlantedTraps, AFileThatIsKnownIsNotLookedThrough) {
  auto plant = [&](CodeNotes* notes) {
    pid_t child = fork();
    if (child == 0) {
      while (true) pause();
    }
    planter_ = TrapPlanter();
    planter_.set_notes(notes);
    std::vector<std::pair<uint64_t, std::array<uint8_t, 4>>> found;
    for (const PlantedTrap& trap : PlantIn(child, {.timestamp = true, .cpuid = true}))
      found.emplace_back(trap.address, trap.site.trap);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    return found;
  };
  OneNote notes;
  auto found = plant(&notes);
  EXPECT_EQ(notes.kept, 1);
  EXPECT_EQ(plant(nullptr), found);
  EXPECT_EQ(plant(&notes), found);
  EXPECT_EQ(notes.kept, 1);
  std::vector<uint8_t> whole = *notes.note;
  for (size_t size = 0; size < whole.size(); size += 7) {
    notes.note->assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_EQ(plant(&notes), found) << "cut after " << size;
  }
  // It is the note that is believed.
  notes.note->assign({0});
  EXPECT_TRUE(plant(&notes).empty());
}

TEST(CodeFile, TellsCodeAndFunctionsOfThisProgram) {
  Fd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  CodeFile code(file.get());
  ASSERT_FALSE(code.sections().empty());
  Mapping own = OwnCode();
  auto address = reinterpret_cast<uint64_t>(&EndByTrap);
  uint64_t offset = address - own.start + own.offset;
  auto section = std::find_if(
      code.sections().begin(), code.sections().end(),
      [&](const CodeSection& candidate) { return offset - candidate.offset < candidate.size; });
  ASSERT_NE(section, code.sections().end());
  uint64_t unloaded = section->address + (offset - section->offset);
  EXPECT_EQ(code.FunctionStart(unloaded), unloaded);
  EXPECT_EQ(code.FunctionStart(unloaded + 1), unloaded);
  EXPECT_EQ(code.FunctionStart(0), std::nullopt);
  uint8_t byte = 0;
  EXPECT_EQ(code.Read(*section, section->size - 1, {&byte, 1}), 1U);
  EXPECT_EQ(code.Read(*section, section->size, {&byte, 1}), 0U);
}

TEST(CodeFile, DamageIsNoCode) {
  Fd original(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  std::vector<uint8_t> bytes(1 << 16);
  ASSERT_EQ(read(original.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  // Cut short, and each byte of the header changed: whatever is read, nothing is believed.
  for (size_t i = 0; i <= sizeof(Elf64_Ehdr); ++i) {
    std::vector<uint8_t> changed = bytes;
    if (i < sizeof(Elf64_Ehdr)) changed[i] ^= 0xff;
    Fd copy(memfd_create("damaged", MFD_CLOEXEC));
    ASSERT_EQ(write(copy.get(), changed.data(), changed.size()),
              static_cast<ssize_t>(changed.size()));
    CodeFile code(copy.get());
    uint8_t byte = 0;
    for (const CodeSection& section : code.sections()) (void)code.Read(section, 0, {&byte, 1});
    for (uint64_t address : {uint64_t{0}, uint64_t{0x1000}, ~uint64_t{0}})
      (void)code.FunctionStart(address);
  }
}

}  // namespace
}  // namespace retake
