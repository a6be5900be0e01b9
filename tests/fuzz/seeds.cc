// Writes the fuzzers' first inputs: fuzz_seeds DIRECTORY makes DIRECTORY/NAME/seed-N for each.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "archive/source.h"
#include "fuzzing.h"
#include "replay/event.h"
#include "replay/trace.h"
#include "replay/trace_manifest.h"
#include "replay/trace_pack.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/image.h"
#include "tests/field_filler.h"

namespace retake {
namespace {

namespace fs = std::filesystem;

fs::path root;

// `selector` is the first byte of every input: what the fuzzer is to do with the rest.
void WriteSeed(const std::string& fuzzer, int number, uint8_t selector, ByteSpan bytes) {
  fs::create_directories(root / fuzzer);
  std::ofstream file(root / fuzzer / fmt::format("seed-{}", number), std::ios::binary);
  file.put(static_cast<char>(selector));
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  Require(file.good(), "a seed can be written");
}

std::vector<uint8_t> ReadAll(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An event of each kind, between them with every optional part.
std::vector<Event> SampleEvents(const ArchDescription& arch) {
  std::vector<Event> events;
  for (int kind = 1; kind <= static_cast<int>(EventKind::kLast); kind++) {
    Event event;
    event.kind = static_cast<EventKind>(kind);
    event.task = static_cast<TaskId>(kind % 3);
    event.sequence = events.size();
    event.before.words[arch.pc] = 0x7f00'0000'1000 + static_cast<uint64_t>(kind);
    event.before.words[arch.sp] = 0x7ffc'0000'0000;
    event.after = event.before;
    event.after.words[arch.result] = static_cast<uint64_t>(-kind);
    event.AddPreview(0x5000, 4)[0] = 'x';
    event.AddWrite(0x7ffc'0000'0000, 8)[1] = 'y';
    for (int op = 1; op <= static_cast<int>(MapOp::Kind::kLast); op++) {
      if (kind != 2) continue;
      MapOp map;
      map.kind = static_cast<MapOp::Kind>(op);
      map.address = 0x1000;
      map.size = 0x2000;
      map.prot = 3;
      map.extra = ~uint64_t{0};
      event.map_ops.push_back(map);
    }
    if (kind % 3 == 0) event.vector_state.assign(32, 7);
    if (kind % 4 == 0) {
      event.echo = EchoTarget::kStdout;
      event.written.push_back({0x5000, 4});
    }
    event.signal = kind % 5;
    event.new_task = static_cast<TaskId>(kind % 2);
    event.pid = kind % 2 * 1234;
    event.sharing = static_cast<TaskSharing>(1 + kind % 3);
    event.wait_status = kind % 2 * 256;
    event.memory_hash = static_cast<uint64_t>(kind % 2) * 99;
    events.push_back(std::move(event));
  }
  return events;
}

Image SampleImage(const ArchDescription& arch) {
  Image image;
  image.registers.words[arch.pc] = 0x40'1000;
  image.vector_state.assign(64, 1);
  image.mappings.push_back({.address = 0x40'0000,
                            .size = 0x3000,
                            .prot = 5,
                            .kind = ImageMapping::Kind::kBlob,
                            .name = "/bin/true"});
  image.mappings.push_back({.address = 0x7ffc'0000'0000,
                            .size = 0x2'1000,
                            .prot = 3,
                            .grows_down = true,
                            .name = "[stack]"});
  image.data.assign(40, 9);
  image.pages.push_back({0x7ffc'0000'0000, 0, 40});
  image.brk_start = 0x50'0000;
  image.stack_limit = 8 << 20;
  image.executable = "/bin/true";
  image.arguments = {"true", "-v"};
  return image;
}

TraceManifest SampleManifest() {
  TraceManifest manifest;
  manifest.command = {"true", "\xff\xfe", "\"\\\n"};
  manifest.directory = "/tmp";
  manifest.cpu_features = {"avx2"};
  manifest.wait_status = 0;
  manifest.unknown_calls = {{"ioctl 0x5401", 3}};
  manifest.seconds = 0.25;
  return manifest;
}

CheckpointImage SampleCheckpoint(std::vector<PageRange> pages) {
  CheckpointImage image;
  image.requirements.page_size = 4096;
  ProcessState process{.pid = 7};
  process.memory = {{.start = 0x40'0000, .size = 0x10'0000, .prot = 3}};
  process.pages = std::move(pages);
  process.tasks = {{.tid = 7, .name = "guest"}};
  for (int kind = 1; kind <= static_cast<int>(FileKind::kTerminal); kind++) {
    OpenFile file{.kind = static_cast<FileKind>(kind)};
    FieldFiller filler;
    Visit(filler, file);
    file.kind = static_cast<FileKind>(kind);
    file.object = 0;
    process.descriptors.descriptors.push_back(
        {.number = kind, .file = static_cast<uint32_t>(image.open_files.size())});
    image.open_files.push_back(std::move(file));
  }
  image.shared_objects = {{.size = 8192, .name = "/memfd:a (deleted)"}};
  image.mapped_files = {{.path = "/bin/true"}};
  image.processes = {process};
  ProcessState child{.pid = 8};
  child.condition = ProcessCondition::kZombie;
  image.processes.push_back(child);
  return image;
}

Status WriteCheckpointSeeds() {
  fs::path path = root / "checkpoint-to-take-apart";
  auto writer = TRY(CheckpointWriter::Create(path.string(), {.sync = false}));
  std::vector<uint8_t> bytes(16 * static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  for (size_t i = 0; i < bytes.size(); i += 100) bytes[i] = static_cast<uint8_t>(i / 100);
  std::vector<PageRange> pages;
  TRY(writer->AddPages(0x40'0000, bytes, false, pages));
  CheckpointImage image = SampleCheckpoint(pages);
  TRY(writer->Finish(image));
  std::vector<uint8_t> whole = ReadAll(path);
  fs::remove(path);
  WriteSeed("checkpoint", 0, 0, whole);
  WriteSeed("checkpoint", 1, 0, ByteSpan(whole).first(whole.size() / 2));
  ByteWriter alone;
  EncodeFields(image, alone);
  WriteSeed("checkpoint", 2, 1, alone.bytes());
  FieldFiller filler;
  Visit(filler, image);
  ByteWriter filled;
  EncodeFields(image, filled);
  WriteSeed("checkpoint", 3, 1, filled.bytes());
  return {};
}

// Blocks of pages in an order of their own.
Status WriteOrderedCheckpointSeed() {
  fs::path path = root / "checkpoint-in-order";
  Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) return ErrnoError("can't make {}", path.string());
  auto archive =
      TRY(ArchiveWriter::Create(std::move(file), path.string(), ArchiveContent::kCheckpoint, 1));
  const std::vector<uint8_t> block(4096, 7);
  ByteWriter order;
  for (uint32_t number : {1, 2, 0}) {
    TRY(archive->Append(kPagesRecord, block, 1));
    order.U32(number);
  }
  TRY(archive->Append(kOrderRecord, order.bytes(), kStoreOnly));
  ByteWriter image;
  EncodeFields(SampleCheckpoint({{0x40'0000, 4096, 0, 0}, {0x40'1000, 4096, 2, 0}}), image);
  TRY(archive->Append(kImageRecord, image.bytes(), 1));
  TRY(archive->Seal());
  WriteSeed("checkpoint", 4, 0, ReadAll(path));
  fs::remove(path);
  return {};
}

Status WriteSeeds() {
  int number = 0;
  for (const ArchDescription* arch : {&X86_64Description(), &Aarch64Description()}) {
    EventCodecState state;
    ByteWriter all;
    for (const Event& event : SampleEvents(*arch)) {
      EventCodecState alone;
      ByteWriter one;
      EncodeEvent(event, *arch, alone, one);
      WriteSeed("event", number++, arch->id == ArchId::kAarch64, one.bytes());
      EncodeEvent(event, *arch, state, all);
    }
    WriteSeed("event", number++, arch->id == ArchId::kAarch64, all.bytes());
    ByteWriter image;
    EncodeImage(SampleImage(*arch), *arch, image);
    WriteSeed("image", number++, arch->id == ArchId::kAarch64, image.bytes());
  }
  TraceManifest manifest = SampleManifest();
  for (TraceEnd end : {TraceEnd::kUnfinished, TraceEnd::kComplete, TraceEnd::kStopped}) {
    manifest.end = end;
    WriteSeed("manifest", number++, 1, AsBytes(FormatManifest(manifest)));
  }

  fs::path directory = root / "trace-to-take-apart";
  fs::remove_all(directory);
  fs::create_directories(directory);
  manifest.arch = ArchId::kX86_64;
  auto writer = TRY(TraceWriter::Create(directory.string(), manifest, {.section_bytes = 200}));
  TRY(writer->AddBytes(AsBytes("a file"), "/lib/x"));
  TRY(writer->AddShared(4096, 0, "/dev/shm/y"));
  TRY(writer->AddImage(SampleImage(X86_64Description())));
  for (Event& event : SampleEvents(X86_64Description())) writer->Append(event);
  writer->manifest().end = TraceEnd::kComplete;
  TRY(writer->Finish());
  std::vector<uint8_t> events = ReadAll(directory / "events");
  WriteSeed("archive", number++, 0, events);
  WriteSeed("archive", number++, 1, events);
  WriteSeed("archive", number++, 1, ByteSpan(events).first(events.size() / 2));
  WriteSeed("trace", number++, 0, events);
  fs::path packed = root / "packed";
  fs::remove(packed);
  TRY(PackTrace(directory.string(), packed.string()));
  std::vector<uint8_t> pack = ReadAll(packed);
  WriteSeed("archive", number++, 1, pack);
  WriteSeed("trace", number++, 1, pack);
  fs::remove_all(directory);
  fs::remove(packed);
  return {};
}

}  // namespace
}  // namespace retake

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  retake::root = argv[1];
  retake::Status written = retake::WriteSeeds();
  if (written.ok()) written = retake::WriteCheckpointSeeds();
  if (written.ok()) written = retake::WriteOrderedCheckpointSeed();
  if (!written.ok()) fprintf(stderr, "%s\n", written.error().Message().c_str());
  return written.ok() ? 0 : 1;
}
