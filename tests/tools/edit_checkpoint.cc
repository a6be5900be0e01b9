// edit_checkpoint: writes a copy of a checkpoint in which one thing is different, whole like any
// other, as another kernel would have made it.
//
//   edit_checkpoint FROM TO vdso      another vDSO: the last byte, which isn't code, is changed
//   edit_checkpoint FROM TO layout    ... and the kernel has it alone, without what it reads
//   edit_checkpoint FROM TO inside    ... and the first task stands in it
//   edit_checkpoint FROM TO boot      the machine before it was started anew
//   edit_checkpoint FROM TO uptime    ... having run for a thousand days more
#include <stdio.h>

#include <string>
#include <vector>

#include "snapshot/checkpoint_file.h"

namespace retake {
namespace {

Result<std::vector<PageRange>> CopyPages(const std::vector<PageRange>& pages,
                                         CheckpointReader& from, CheckpointWriter& to) {
  std::vector<PageRange> copied;
  for (const PageRange& range : pages) {
    std::vector<uint8_t> zeros(range.block == kZeroBlock ? range.size : 0);
    ByteSpan bytes = range.block == kZeroBlock ? ByteSpan(zeros) : TRY(from.Bytes(range));
    TRY(to.AddPages(range.start, bytes, /*skip_zeros=*/false, copied));
  }
  return copied;
}

Status Alter(CheckpointImage& image, const std::string& what) {
  if (what == "boot" || what == "uptime") {
    image.boot = "another";
    int64_t more = what == "boot" ? 0 : int64_t{1000} * 86'400 * 1'000'000'000;
    image.monotonic_at += more;
    image.boottime_at += more;
    return {};
  }
  if (image.requirements.vdso.empty()) return MakeError("it has no vDSO");
  image.requirements.vdso.back() ^= 1;
  image.requirements.kernel += "-other";
  for (ProcessState& process : image.processes) {
    uint64_t vdso = 0;
    std::erase_if(process.memory, [&](const MemoryRegion& region) {
      if (region.name == "[vdso]") vdso = region.start;
      return what == "layout" && region.kind == MemoryKind::kKernel && region.name != "[vdso]";
    });
    if (what == "inside" && !process.tasks.empty())
      process.tasks[0].registers.words[HostArch().pc] = vdso + 64;
  }
  return {};
}

Status Edit(const std::string& from_path, const std::string& to_path, const std::string& what) {
  auto from = TRY(CheckpointReader::Open(from_path));
  auto to = TRY(CheckpointWriter::Create(to_path, {.sync = false}));
  CheckpointImage image = from->image();
  for (ProcessState& process : image.processes)
    process.pages = TRY(CopyPages(process.pages, *from, *to));
  for (SharedObject& object : image.shared_objects)
    object.pages = TRY(CopyPages(object.pages, *from, *to));
  TRY(Alter(image, what));
  TRY(to->Finish(image));
  return {};
}

}  // namespace
}  // namespace retake

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: edit_checkpoint FROM TO vdso|layout|inside|boot|uptime\n");
    return 2;
  }
  retake::Status done = retake::Edit(argv[1], argv[2], argv[3]);
  if (!done.ok()) fprintf(stderr, "edit_checkpoint: %s\n", done.error().Message().c_str());
  return done.ok() ? 0 : 1;
}
