// edit_trace: writes a copy of a trace in which one thing is different, sealed like any other
// trace, so that only a replay can tell: what the divergence tests need.
//
//   edit_trace FROM TO list                      events that can be altered, one a line
//   edit_trace FROM TO register N WORD           flips the lowest bit of register WORD ("before")
//   edit_trace FROM TO result N                  adds one to what the call returned
//   edit_trace FROM TO memory N                  flips a bit of the first byte the event wrote
//   edit_trace FROM TO drop N                    leaves the event out
//   edit_trace FROM TO blob TEXT                 turns the first 'a' of the blob whose path ends in
//                                                TEXT into 'b'
//
// N is an event's sequence number.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "arch/arch.h"
#include "replay/trace.h"

namespace retake {
namespace {

struct Edit {
  std::string what;
  uint64_t event = 0;
  std::string word;
};

// Contents of a blob, whole.
Result<std::vector<uint8_t>> ReadBlob(const TraceReader& from, uint32_t object, uint64_t size) {
  Fd fd = TRY(from.OpenBlob(object));
  std::vector<uint8_t> bytes(size);
  size_t done = 0;
  while (done < size) {
    ssize_t got = pread(fd.get(), bytes.data() + done, size - done, static_cast<off_t>(done));
    if (got <= 0) return ErrnoError("reading blob {}", object);
    done += static_cast<size_t>(got);
  }
  return bytes;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Status CopyObjects(const TraceReader& from, TraceWriter& to, const Edit& edit) {
  std::map<std::string, uint32_t> blob_of_hash;
  bool edited = false;
  for (uint32_t i = 0; i < from.objects().size(); ++i) {
    const TraceObject& object = from.objects()[i];
    uint32_t made = 0;
    if (object.kind == TraceObject::Kind::kBlob) {
      std::vector<uint8_t> bytes = TRY(ReadBlob(from, i, object.size));
      if (edit.what == "blob" && EndsWith(object.path, edit.word)) {
        auto letter = std::find(bytes.begin(), bytes.end(), 'a');
        if (letter == bytes.end()) return MakeError("no 'a' in {}", object.path);
        *letter = 'b';
        edited = true;
      }
      made = TRY(to.AddBytes(bytes, object.path));
      blob_of_hash[object.hash] = made;
    } else {
      std::optional<uint32_t> initial;
      if (auto found = blob_of_hash.find(object.hash); found != blob_of_hash.end()) {
        initial = found->second;
      }
      made = TRY(to.AddShared(object.size, initial, object.path));
    }
    if (made != i) return MakeError("object {} became {}: the trace holds contents twice", i, made);
  }
  if (edit.what == "blob" && !edited) return MakeError("no blob's path ends in {}", edit.word);
  return {};
}

// The index of a register by its name, for this trace's architecture.
Result<size_t> WordOf(const ArchDescription& arch, const std::string& name) {
  if (name == "result") return size_t{arch.result};
  for (size_t i = 0; i < arch.registers.size(); ++i) {
    if (arch.registers[i].name == name) return i;
  }
  for (size_t i = 0; i < arch.args.size(); ++i) {
    if (name == "arg" + std::to_string(i)) return size_t{arch.args[i]};
  }
  return MakeError("no register {}", name);
}

// Alters the event as asked. False: leave it out.
Result<bool> Alter(Event& event, const ArchDescription& arch, const Edit& edit) {
  if (edit.what == "register") {
    event.before.words[TRY(WordOf(arch, edit.word))] ^= 1;
  } else if (edit.what == "result") {
    event.after.words[arch.result] += 1;
  } else if (edit.what == "memory") {
    if (event.writes.empty()) return MakeError("event {} writes nothing", edit.event);
    event.data[event.writes[0].offset] ^= 1;
  } else if (edit.what == "drop") {
    return false;
  }
  return true;
}

void Describe(const Event& event, const ArchDescription& arch) {
  Sys sys = Sys::kNone;
  if (event.kind == EventKind::kSyscall) {
    sys = arch.SysOf(static_cast<int64_t>(event.before.words[arch.syscall]));
  }
  printf("%llu %u %s %s %lld writes %zu\n", static_cast<unsigned long long>(event.sequence),
         event.task, std::string(EventKindName(event.kind)).c_str(),
         std::string(SysName(sys)).c_str(), static_cast<long long>(event.after.words[arch.result]),
         event.writes.size());
}

Status Run(const std::string& source, const std::string& target, const Edit& edit) {
  std::unique_ptr<TraceReader> from = TRY(TraceReader::Open(source));
  const bool list = edit.what == "list";
  std::unique_ptr<TraceWriter> to;
  if (!list) {
    if (mkdir(target.c_str(), 0700) != 0 && errno != EEXIST) return ErrnoError("{}", target);
    to = TRY(TraceWriter::Create(target, from->manifest()));
    TRY(CopyObjects(*from, *to, edit));
    for (uint32_t i = 0; i < from->image_count(); ++i) {
      Image image = TRY(from->ReadImage(i));
      uint32_t made = TRY(to->AddImage(image));
      if (made != i) return MakeError("image {} became {}", i, made);
    }
  }
  Event event;
  bool edited = false;
  for (;;) {
    TraceReader::Next next = TRY(from->ReadEvent(event));
    if (next != TraceReader::Next::kEvent) break;
    if (list) {
      Describe(event, from->arch());
      continue;
    }
    bool keep = true;
    if (edit.what != "blob" && event.sequence == edit.event) {
      keep = TRY(Alter(event, from->arch(), edit));
      edited = true;
    }
    if (keep) to->Append(event);
  }
  if (list) return {};
  if (edit.what != "blob" && !edited) return MakeError("no event {}", edit.event);
  TraceManifest& manifest = to->manifest();
  manifest.end = from->manifest().end;
  manifest.reason = from->manifest().reason;
  manifest.wait_status = from->manifest().wait_status;
  return to->Finish();
}

}  // namespace
}  // namespace retake

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: edit_trace FROM TO list|register|result|memory|drop|blob ...\n");
    return 2;
  }
  retake::Edit edit;
  edit.what = argv[3];
  if (edit.what == "blob") {
    edit.word = argc > 4 ? argv[4] : "";
  } else if (edit.what != "list") {
    edit.event = argc > 4 ? strtoull(argv[4], nullptr, 10) : 0;
    edit.word = argc > 5 ? argv[5] : "";
  }
  if (retake::Status status = retake::Run(argv[1], argv[2], edit); !status.ok()) {
    fprintf(stderr, "edit_trace: %s\n", status.error().Message().c_str());
    return 1;
  }
  return 0;
}
