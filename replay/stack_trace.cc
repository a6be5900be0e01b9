// Walks stacks with libunwind's remote interface (libunwind(3), libunwind-dynamic(3)). See
// stack_trace.h.
//
// libunwind asks for a frame's tables by find_proc_info; we find the object's .eh_frame_hdr and let
// libunwind search it, in the program's memory. Every loop of libunwind's (searching, decoding,
// evaluating expressions) reads memory as it goes, so a budget of reads bounds it whatever the
// tables say.
#include "replay/stack_trace.h"

#include <libunwind.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <unordered_map>

#include "arch/unwind.h"
#include "replay/symbols.h"
#include "tracee/unwind_table.h"

// Exported, but declared in no installed header. Source: libunwind's include/dwarf.h.
extern "C" int UNW_OBJ(dwarf_search_unwind_table)(unw_addr_space_t, unw_word_t, unw_dyn_info_t*,
                                                  unw_proc_info_t*, int, void*);

namespace retake {
namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMaxPages = 1024;       // read from the program, for one trace
constexpr size_t kMaxWords = 1 << 18;    // asked for by libunwind, for one trace
constexpr uint64_t kMaxImage = 1 << 20;  // bytes read of an object that has no blob

class Walk {
 public:
  Walk(const Registers& registers, const ReadableMemory& memory,
       std::span<const MappedObject> mappings)
      : registers_(registers), memory_(memory), mappings_(mappings), abi_(machine::Unwinding()) {}

  std::vector<Frame> Run();

  bool ReadWord(uint64_t address, unw_word_t* value);
  bool ReadRegister(int number, unw_word_t* value) const;
  int FindTables(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t* info,
                 int need_unwind_info);

 private:
  struct Object {
    std::vector<uint8_t> copied;  // what elf looks at, where there is no blob
    ElfImage elf;
  };
  struct Position {
    uint64_t pc = 0;
    uint64_t sp = 0;
    bool operator==(const Position&) const = default;
  };

  const MappedObject* MappingOf(uint64_t address) const;
  bool IsCode(uint64_t address) const;
  const ElfImage& ElfOf(const MappedObject& mapping);
  bool Read(uint64_t address, void* buffer, size_t size);
  const std::array<uint8_t, kPage>* PageAt(uint64_t page);

  // To the caller's frame; false at the end.
  bool Step(bool from_signal);
  bool IsSignalReturn(uint64_t pc);
  bool HasTables(uint64_t pc);
  bool StepByFramePointer();
  bool LeaveBadCall();
  bool Enter(uint64_t pc, uint64_t sp, uint64_t frame_pointer);
  void CopyCursor();
  void AddFrame(uint64_t pc, bool exact);

  uint64_t Word(int number) const {
    return registers_.words[static_cast<size_t>(abi_.words[number])];
  }
  void SetWord(int number, uint64_t value) {
    registers_.words[static_cast<size_t>(abi_.words[number])] = value;
  }

  Registers registers_;  // where the cursor started
  const ReadableMemory& memory_;
  std::span<const MappedObject> mappings_;
  const machine::UnwindAbi& abi_;
  unw_cursor_t cursor_{};
  bool knows_sp_ = true;                // else here_.sp is a lower bound, and tables are no use
  Position here_;                       // the frame that the cursor is in
  std::map<uint64_t, Object> objects_;  // by the mapping's address
  std::unordered_map<uint64_t, std::unique_ptr<std::array<uint8_t, kPage>>> pages_;
  size_t words_left_ = kMaxWords;
  std::vector<Frame> frames_;
};

// --- libunwind's view ---

int FindProcInfo(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t* info, int need_unwind_info,
                 void* walk) {
  return static_cast<Walk*>(walk)->FindTables(space, pc, info, need_unwind_info);
}
void PutUnwindInfo(unw_addr_space_t, unw_proc_info_t*, void*) {}
int NoDynamicInfo(unw_addr_space_t, unw_word_t*, void*) { return -UNW_ENOINFO; }
int AccessMemory(unw_addr_space_t, unw_word_t address, unw_word_t* value, int write, void* walk) {
  if (write != 0) return -UNW_EINVAL;
  return static_cast<Walk*>(walk)->ReadWord(address, value) ? 0 : -UNW_EINVAL;
}
int AccessRegister(unw_addr_space_t, unw_regnum_t number, unw_word_t* value, int write,
                   void* walk) {
  if (write != 0) return -UNW_EREADONLYREG;
  return static_cast<Walk*>(walk)->ReadRegister(number, value) ? 0 : -UNW_EBADREG;
}
int NoVectorRegister(unw_addr_space_t, unw_regnum_t, unw_fpreg_t*, int, void*) {
  return -UNW_EBADREG;
}
int NoResume(unw_addr_space_t, unw_cursor_t*, void*) { return -UNW_EINVAL; }
int NoName(unw_addr_space_t, unw_word_t, char*, size_t, unw_word_t*, void*) { return -UNW_ENOINFO; }

unw_addr_space_t AddressSpace() {
  static unw_accessors_t accessors = {.find_proc_info = FindProcInfo,
                                      .put_unwind_info = PutUnwindInfo,
                                      .get_dyn_info_list_addr = NoDynamicInfo,
                                      .access_mem = AccessMemory,
                                      .access_reg = AccessRegister,
                                      .access_fpreg = NoVectorRegister,
                                      .resume = NoResume,
                                      .get_proc_name = NoName};
  static const unw_addr_space_t space = [] {
    const unw_addr_space_t made = unw_create_addr_space(&accessors, 0);
    // What is at an address differs from one trace to the next.
    if (made != nullptr) unw_set_caching_policy(made, UNW_CACHE_NONE);
    return made;
  }();
  return space;
}

bool Walk::ReadRegister(int number, unw_word_t* value) const {
  if (number < 0 || static_cast<size_t>(number) >= abi_.words.size() || abi_.words[number] < 0)
    return false;
  *value = Word(number);
  return true;
}

bool Walk::ReadWord(uint64_t address, unw_word_t* value) {
  if (words_left_ == 0) return false;
  --words_left_;
  return Read(address, value, sizeof *value);
}

int Walk::FindTables(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t* info,
                     int need_unwind_info) {
  const MappedObject* mapping = MappingOf(pc);
  if (mapping == nullptr) return -UNW_ENOINFO;
  const ElfImage& elf = ElfOf(*mapping);
  const auto table = elf.UnwindTable();
  const auto unloaded = elf.CodeAddress(pc - mapping->address + mapping->offset);
  if (!table || !unloaded) return -UNW_ENOINFO;
  const uint64_t address = table->address + (pc - *unloaded);
  UnwindTableHeader header{};
  if (table->size < sizeof header || !Read(address, &header, sizeof header)) return -UNW_ENOINFO;
  // Without the sorted table there is nothing to search.
  if (!header.HasSortedTable()) return -UNW_ENOINFO;
  const uint64_t count =
      std::min<uint64_t>(header.count, (table->size - sizeof header) / sizeof(UnwindTableRow));
  unw_dyn_info_t tables{};
  tables.start_ip = mapping->address;
  tables.end_ip = mapping->address + mapping->size;
  tables.format = UNW_INFO_FORMAT_REMOTE_TABLE;
  tables.u.rti.segbase = address;
  tables.u.rti.table_data = address + sizeof header;
  tables.u.rti.table_len = count * sizeof(UnwindTableRow) / sizeof(unw_word_t);
  return UNW_OBJ(dwarf_search_unwind_table)(space, pc, &tables, info, need_unwind_info, this);
}

// --- The program ---

const MappedObject* Walk::MappingOf(uint64_t address) const {
  const auto found = std::ranges::find_if(mappings_, [address](const MappedObject& mapping) {
    return address >= mapping.address && address - mapping.address < mapping.size;
  });
  return found == mappings_.end() ? nullptr : &*found;
}

bool Walk::IsCode(uint64_t address) const {
  const MappedObject* mapping = MappingOf(address);
  return mapping != nullptr && (mapping->prot & PROT_EXEC) != 0;
}

const ElfImage& Walk::ElfOf(const MappedObject& mapping) {
  auto [entry, is_new] = objects_.try_emplace(mapping.address);
  Object& object = entry->second;
  if (!is_new) return object.elf;
  if (!mapping.bytes.empty()) {
    object.elf = ElfImage(mapping.bytes);
    return object.elf;
  }
  // The file's beginning is mapped too, as a rule: by this mapping, or by the nearest below of the
  // same name.
  const MappedObject* first = mapping.offset == 0 ? &mapping : nullptr;
  if (first == nullptr && !mapping.name.empty()) {
    for (const MappedObject& other : mappings_) {
      if (other.offset != 0 || other.name != mapping.name || other.address > mapping.address)
        continue;
      if (first == nullptr || other.address > first->address) first = &other;
    }
  }
  if (first == nullptr) return object.elf;
  object.copied.resize(std::min(first->size, kMaxImage));
  object.copied.resize(
      memory_.ReadSome(first->address, object.copied.data(), object.copied.size()));
  object.elf = ElfImage(object.copied);
  return object.elf;
}

const std::array<uint8_t, kPage>* Walk::PageAt(uint64_t page) {
  const auto known = pages_.find(page);
  if (known != pages_.end()) return known->second.get();
  if (pages_.size() >= kMaxPages) return nullptr;
  auto contents = std::make_unique<std::array<uint8_t, kPage>>();
  if (!memory_.Read(page, contents->data(), kPage)) {
    // A trace's memory needn't hold what is in its blobs.
    const MappedObject* mapping = MappingOf(page);
    contents.reset();
    if (mapping != nullptr && (mapping->prot & PROT_WRITE) == 0) {
      const uint64_t at = page - mapping->address + mapping->offset;
      if (at < mapping->bytes.size()) {
        contents = std::make_unique<std::array<uint8_t, kPage>>();
        memcpy(contents->data(), mapping->bytes.data() + at,
               std::min<uint64_t>(kPage, mapping->bytes.size() - at));
      }
    }
  }
  return pages_.emplace(page, std::move(contents)).first->second.get();
}

bool Walk::Read(uint64_t address, void* buffer, size_t size) {
  auto* out = static_cast<uint8_t*>(buffer);
  while (size > 0) {
    const uint64_t within = address % kPage;
    const auto* page = PageAt(address - within);
    if (page == nullptr) return false;
    const size_t here = std::min<uint64_t>(size, kPage - within);
    memcpy(out, page->data() + within, here);
    out += here;
    address += here;
    size -= here;
  }
  return true;
}

// --- The walk ---

// Registers become what they are in the cursor's frame, as far as that is known.
void Walk::CopyCursor() {
  Registers now = registers_;
  for (size_t number = 0; number < abi_.words.size(); ++number) {
    unw_word_t value = 0;
    if (abi_.words[number] >= 0 && unw_get_reg(&cursor_, static_cast<int>(number), &value) == 0) {
      now.words[static_cast<size_t>(abi_.words[number])] = value;
    }
  }
  registers_ = now;
}

bool Walk::Enter(uint64_t pc, uint64_t sp, uint64_t frame_pointer) {
  // A cursor that starts anew takes the pc for one that was interrupted, not returned to: so that
  // tables are looked up for the call itself, it begins inside of it.
  here_ = {pc & abi_.code_mask, sp};
  registers_.words[HostArch().pc] = here_.pc - 1;
  registers_.words[HostArch().sp] = sp;
  SetWord(abi_.frame_pointer, frame_pointer);
  // Used up by the return that is assumed here; libunwind would fall back on it.
  if (abi_.link >= 0) SetWord(abi_.link, 0);
  return unw_init_remote(&cursor_, AddressSpace(), this) == 0;
}

bool Walk::StepByFramePointer() {
  CopyCursor();
  const uint64_t frame = Word(abi_.frame_pointer);
  uint64_t record[2] = {};
  if (frame % 8 != 0 || frame < here_.sp || !Read(frame, record, sizeof record)) return false;
  knows_sp_ = knows_sp_ && abi_.record_ends_frame;
  return Enter(record[1], frame + sizeof record, record[0]);
}

// A call through a bad pointer: the caller's address is where a function finds it at its first
// instruction.
bool Walk::LeaveBadCall() {
  const uint64_t sp = here_.sp;
  if (abi_.link >= 0) return Enter(Word(abi_.link), sp, Word(abi_.frame_pointer));
  uint64_t pc = 0;
  return Read(sp, &pc, sizeof pc) && Enter(pc, sp + sizeof pc, Word(abi_.frame_pointer));
}

bool Walk::IsSignalReturn(uint64_t pc) {
  std::array<char, 16> code{};
  const std::string_view wanted = abi_.signal_return;
  return Read(pc, code.data(), wanted.size()) &&
         std::string_view(code.data(), wanted.size()) == wanted;
}

bool Walk::HasTables(uint64_t pc) {
  unw_proc_info_t info{};
  return FindTables(AddressSpace(), pc, &info, 0) >= 0;
}

bool Walk::Step(bool from_signal) {
  if (!knows_sp_) return StepByFramePointer();
  // Where it has no tables libunwind would guess: on one architecture at more than the frame
  // pointer, on another not at all.
  if (!from_signal && !HasTables(here_.pc) && !HasTables(here_.pc - 1)) return StepByFramePointer();
  const int stepped = unw_step(&cursor_);
  // 0 is the outermost frame, where the frame pointer is 0 too.
  if (stepped <= 0) return StepByFramePointer();
  unw_word_t pc = 0;
  unw_word_t sp = 0;
  // Right after a step only: at the start, aarch64's UNW_REG_IP is the link register.
  if (unw_get_reg(&cursor_, UNW_REG_IP, &pc) != 0 || unw_get_reg(&cursor_, UNW_REG_SP, &sp) != 0)
    return false;
  const Position next = {pc, sp};
  // On aarch64 libunwind takes the link register where it can't read the tables (1.6 doesn't know
  // DW_CFA_AARCH64_negate_ra_state, which signed return addresses come with): no step, but behind
  // the first frame.
  if (next == here_) return StepByFramePointer();
  here_ = next;
  if ((pc & ~abi_.code_mask) == 0) return true;
  // A signed return address, which libunwind would look up as it is.
  CopyCursor();
  return Enter(pc, sp, Word(abi_.frame_pointer));
}

void Walk::AddFrame(uint64_t pc, bool exact) {
  Frame frame;
  frame.pc = pc;
  if (const MappedObject* mapping = MappingOf(pc)) {
    frame.object = mapping->name;
    const uint64_t at = pc - mapping->address + mapping->offset;
    frame.offset = at;
    // A return address behind a call that doesn't return may belong to the next function.
    const uint64_t looked_up = exact || at == 0 ? at : at - 1;
    const ElfImage& elf = ElfOf(*mapping);
    if (const auto address = elf.CodeAddress(looked_up)) {
      frame.offset = *address + (at - looked_up);
      if (const auto symbol = elf.FindFunction(*address)) {
        frame.function = Demangle(symbol->name);
        frame.offset -= symbol->address;
      }
    }
  }
  frames_.push_back(std::move(frame));
}

std::vector<Frame> Walk::Run() {
  here_ = {registers_.words[HostArch().pc], registers_.words[HostArch().sp]};
  AddFrame(here_.pc, true);
  if (AddressSpace() == nullptr) return std::move(frames_);
  if (IsCode(here_.pc)) {
    if (unw_init_remote(&cursor_, AddressSpace(), this) != 0) return std::move(frames_);
  } else {
    if (!LeaveBadCall() || !IsCode(here_.pc)) return std::move(frames_);
    AddFrame(here_.pc, false);
  }
  while (frames_.size() < kMaxFrames) {
    // Not unw_is_signal_frame: it means this frame on one architecture, the one before on another.
    const bool from_signal = IsSignalReturn(here_.pc);
    frames_.back().signal = from_signal;
    const Position last = here_;
    if (!Step(from_signal) || !IsCode(here_.pc)) break;
    // Callers' frames lie above; only a signal handler may have had a stack of its own. A leaf
    // function's frame may be empty; the same frame twice is no progress.
    if (here_.sp < last.sp && !from_signal) break;
    if (here_ == last) break;
    AddFrame(here_.pc, from_signal);
  }
  return std::move(frames_);
}

}  // namespace

std::vector<Frame> Unwind(const Registers& registers, const ReadableMemory& memory,
                          std::span<const MappedObject> mappings) {
  return Walk(registers, memory, mappings).Run();
}

std::string FormatStack(std::span<const Frame> frames) {
  std::string out;
  for (size_t i = 0; i < frames.size(); ++i) {
    const Frame& frame = frames[i];
    if (frame.signal) {
      fmt::format_to(std::back_inserter(out), "#{:<3}<signal handler called>\n", i);
      continue;
    }
    fmt::format_to(std::back_inserter(out), "#{:<3}0x{:016x} in ", i, frame.pc);
    const size_t slash = frame.object.rfind('/');
    const std::string object =
        slash == std::string::npos ? frame.object : frame.object.substr(slash + 1);
    if (!frame.function.empty()) {
      fmt::format_to(std::back_inserter(out), "{}+{:#x} ({})\n", frame.function, frame.offset,
                     object);
    } else if (!object.empty()) {
      fmt::format_to(std::back_inserter(out), "?? ({}+{:#x})\n", object, frame.offset);
    } else {
      out += "??\n";
    }
  }
  return out;
}

Result<MappedFile> MappedFile::Map(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return ErrnoError("asking for the size of a mapped file");
  if (status.st_size <= 0) return MappedFile();
  const auto size = static_cast<size_t>(status.st_size);
  void* at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) return ErrnoError("mapping {} bytes of a file for its symbols", size);
  return MappedFile(ByteSpan(static_cast<const uint8_t*>(at), size));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace retake
