// The shared parts of the trace tests. (Named *_test.cc so that it is built with them.)
#include "trace_testing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "archive/format.h"

namespace retake {

void TraceTest::SetUp() {
  const char* base = getenv("TMPDIR");
  std::string pattern = std::string(base == nullptr ? "/tmp" : base) + "/retake-test-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  scratch_ = pattern;
  setenv("XDG_CACHE_HOME", (scratch_ + "/cache").c_str(), 1);
  setenv("RETAKE_DIR", (scratch_ + "/store").c_str(), 1);
}

void TraceTest::TearDown() { std::filesystem::remove_all(scratch_); }

std::string TraceTest::NewDirectory(const std::string& name) const {
  std::filesystem::create_directory(Path(name));
  return Path(name);
}

void WriteFile(const std::string& path, const std::string& contents) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  ASSERT_TRUE(file.good()) << path;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream contents;
  contents << file.rdbuf();
  return contents.str();
}

void Settle(const std::string& path) {
  timespec times[2] = {};
  clock_gettime(CLOCK_REALTIME, &times[1]);
  times[1].tv_sec -= 60;
  times[0] = times[1];
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
}

std::string ReplaceManifestChecksum(const std::string& text) {
  constexpr std::string_view kMember = "\n  \"checksum\": \"";
  std::string body = text.substr(0, text.rfind(kMember));
  uint64_t checksum = archive_format::Checksum(AsBytes(body), 0);
  return fmt::format("{}{}{:016x}\"\n}}\n", body, kMember, checksum);
}

TraceManifest SmallManifest(ArchId arch) {
  TraceManifest manifest;
  manifest.arch = arch;
  manifest.command = {"/bin/true", "one two", "\"quoted\"\n", "not \xff utf-8"};
  manifest.directory = "/tmp";
  manifest.host = "here";
  manifest.started = 1'700'000'000;
  manifest.cpu = 0;
  manifest.cpu_features = {"avx2", "sse4_2"};
  manifest.vector_bytes = 2696;
  return manifest;
}

namespace {

uint64_t RandomValue(std::mt19937_64& random) {
  // All magnitudes are equally likely.
  return random() >> (random() % 64);
}

void Fill(std::span<uint8_t> bytes, std::mt19937_64& random) {
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
}

void Stir(Registers& registers, const ArchDescription& arch, std::mt19937_64& random) {
  for (size_t i = 0; i < arch.registers.size(); i++) {
    if (random() % 3 == 0) registers.words[i] = RandomValue(random);
  }
}

// Page-aligned, and far enough from the end of the address space that a size can be added.
uint64_t RandomPage(std::mt19937_64& random) { return RandomValue(random) >> 2 & ~uint64_t{4095}; }

}  // namespace

Event RandomEvent(std::mt19937_64& random, const ArchDescription& arch) {
  Event event;
  event.kind = static_cast<EventKind>(2 + random() % (static_cast<int>(EventKind::kLast) - 1));
  event.task = static_cast<TaskId>(random() % 4);
  Stir(event.before, arch, random);
  event.after = event.before;
  Stir(event.after, arch, random);
  for (uint64_t i = random() % 4; i > 0; i--) {
    Fill(event.AddPreview(RandomValue(random) >> 1, random() % 40), random);
  }
  for (uint64_t i = random() % 4; i > 0; i--) {
    Fill(event.AddWrite(RandomValue(random) >> 1, random() % 40), random);
  }
  if (random() % 4 == 0) {
    for (uint64_t i = random() % 3; i > 0; i--) {
      MapOp op;
      // Kinds that name no object: which exist is the trace's business.
      op.kind = random() % 2 == 0 ? MapOp::Kind::kUnmap : MapOp::Kind::kRemap;
      op.address = RandomPage(random);
      op.size = RandomPage(random);
      op.prot = static_cast<uint32_t>(random() % 8);
      op.flags = static_cast<uint32_t>(random());
      op.new_address = RandomPage(random);
      op.extra = RandomValue(random);
      event.map_ops.push_back(op);
    }
  }
  if (random() % 8 == 0) {
    event.vector_state.resize(random() % 100);
    Fill(event.vector_state, random);
  }
  if (random() % 4 == 0) {
    event.echo = static_cast<EchoTarget>(random() % 4);
    event.written.push_back({RandomValue(random), RandomValue(random)});
  }
  if (random() % 2 == 0) event.signal = static_cast<int32_t>(random() % 65);
  if (random() % 2 == 0) event.new_task = static_cast<TaskId>(random());
  if (random() % 2 == 0) event.pid = static_cast<int32_t>(random());
  event.sharing = static_cast<TaskSharing>(1 + random() % 3);
  if (random() % 2 == 0) event.wait_status = static_cast<int32_t>(random());
  if (random() % 2 == 0) event.memory_hash = random();
  return event;
}

Image RandomImage(std::mt19937_64& random, const ArchDescription& arch) {
  Image image;
  Stir(image.registers, arch, random);
  image.vector_state.resize(random() % 300);
  Fill(image.vector_state, random);
  uint64_t address = 0;
  for (uint64_t i = random() % 6; i > 0; i--) {
    ImageMapping mapping;
    mapping.address = address + random() % 16 * 4096;
    mapping.size = (1 + random() % 16) * 4096;
    mapping.prot = static_cast<uint32_t>(random() % 8);
    mapping.grows_down = random() % 2 == 0;
    mapping.kind = ImageMapping::Kind::kAnonymous;
    mapping.offset = random() % 100 * 4096;
    mapping.name = std::string("/lib/some name\n") + static_cast<char>(random());
    address = mapping.address + mapping.size;
    ImagePages pages{mapping.address, image.data.size(), 1 + random() % 100};
    image.data.resize(image.data.size() + pages.size);
    image.pages.push_back(pages);
    image.mappings.push_back(std::move(mapping));
  }
  Fill(image.data, random);
  image.brk_start = RandomValue(random);
  image.stack_limit = ~uint64_t{0};
  image.executable = "/bin/true";
  image.arguments = {"true", "", "\xff"};
  return image;
}

Result<ReadBack> ReadAll(TraceReader& reader) {
  ReadBack back;
  Event event;
  while ((back.end = TRY(reader.ReadEvent(event))) == TraceReader::Next::kEvent) {
    back.events.push_back(event);
  }
  back.cut_reason = reader.cut_reason();
  return back;
}

Result<std::vector<Event>> WriteSmallTrace(const std::string& directory, int events, ArchId arch,
                                           bool finish) {
  TraceWriterOptions options;
  options.section_bytes = 400;
  options.section_milliseconds = 60'000;  // sections depend on sizes alone
  auto writer = TRY(TraceWriter::Create(directory, SmallManifest(arch), options));
  std::mt19937_64 random(7);
  const ArchDescription& description = *DescriptionOf(arch);
  TRY(writer->AddBytes(AsBytes("contents of a file"), "/lib/libexample.so"));
  TRY(writer->AddShared(8192, 0, "/dev/shm/x"));
  uint32_t image = TRY(writer->AddImage(RandomImage(random, description)));
  std::vector<Event> written;
  for (int i = 0; i < events; i++) {
    Event event = RandomEvent(random, description);
    if (i == 0) {
      event.kind = EventKind::kExec;
      event.task = 0;
      event.image = image;
    }
    writer->Append(event);
    written.push_back(std::move(event));
  }
  if (finish) {
    writer->manifest().end = TraceEnd::kComplete;
    writer->manifest().wait_status = 0;
    TRY(writer->Finish());
  }
  return written;
}

}  // namespace retake
