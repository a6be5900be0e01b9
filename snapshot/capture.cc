#include "snapshot/capture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/fd.h"
#include "tracee/proc_files.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

const uint64_t kPageSize = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// Adds the non-zero pages among [start, end) to the image, joined into runs.
void AddPages(const TaskMemory& memory, uint64_t start, uint64_t end, bool keep_zero,
              Image& image) {
  std::vector<uint8_t> bytes(end - start);
  bytes.resize(memory.ReadSome(start, bytes.data(), bytes.size()));
  bool joined = false;
  for (uint64_t at = 0; at < bytes.size(); at += kPageSize) {
    ByteSpan page = ByteSpan(bytes).subspan(at, std::min<uint64_t>(kPageSize, bytes.size() - at));
    if (!keep_zero && IsZero(page)) {
      joined = false;
      continue;
    }
    if (!joined) image.pages.push_back({start + at, image.data.size(), 0});
    image.pages.back().size += page.size();
    image.data.insert(image.data.end(), page.begin(), page.end());
    joined = true;
  }
}

// Adds the pages of a mapping that are the process's own. For anonymous memory a zero page says
// nothing; over a file it does.
Status AddOwnPages(const OwnPages& pages, const TaskMemory& memory, const Mapping& mapping,
                   bool keep_zero, Image& image) {
  for (const PageRun& run : TRY(pages.In(mapping.start, mapping.end))) {
    AddPages(memory, run.start, run.end, keep_zero, image);
  }
  return {};
}

// Whether the file at `fd` holds what the mapping shows. Asked where device numbers don't tell:
// overlay and some other file systems show another device in maps than stat does.
bool SameContents(const TaskMemory& memory, const Mapping& mapping, int fd) {
  std::vector<uint8_t> mapped(std::min<uint64_t>(mapping.size(), 1 << 20));
  std::vector<uint8_t> stored(mapped.size());
  if (!memory.Read(mapping.start, mapped.data(), mapped.size())) return false;
  ssize_t got = pread(fd, stored.data(), stored.size(), static_cast<off_t>(mapping.offset));
  return got > 0 && memcmp(mapped.data(), stored.data(), static_cast<size_t>(got)) == 0;
}

// The mapping's file, if its inode is the same and `matches` holds.
template <typename Matches>
Fd OpenIfMatching(pid_t pid, const Mapping& mapping, struct stat* status, const Matches& matches) {
  auto fits = [&](const Fd& file) {
    return file && fstat(file.get(), status) == 0 && status->st_ino == mapping.inode &&
           matches(file);
  };
  // As the process sees the path: it may have another root or mount namespace.
  Fd file(open(fmt::format("/proc/{}/root{}", pid, mapping.name).c_str(), O_RDONLY | O_CLOEXEC));
  if (fits(file)) return file;
  file.Reset(open(fmt::format("/proc/{}/exe", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (fits(file)) return file;
  return Fd();
}

}  // namespace

Fd OpenMappedFile(pid_t pid, const TaskMemory& memory, const Mapping& mapping,
                  struct stat* status) {
  return OpenIfMatching(pid, mapping, status, [&](const Fd& file) {
    return status->st_dev == mapping.device || SameContents(memory, mapping, file.get());
  });
}

Fd OpenMappedCode(pid_t pid, const Mapping& mapping, struct stat* status) {
  return OpenIfMatching(pid, mapping, status, [](const Fd&) { return true; });
}

Result<Image> CaptureAfterExec(pid_t pid, const TaskMemory& memory, const Registers& registers,
                               std::span<const Mapping> mappings, ContentStore& store) {
  Image image;
  image.registers = registers;
  TRY(ptracer::GetVector(pid, image.vector_state));
  image.executable = ReadProcLink(pid, "exe");
  image.arguments = ReadArguments(pid);
  rlimit limit{};
  if (prlimit(pid, RLIMIT_STACK, nullptr, &limit) == 0) image.stack_limit = limit.rlim_cur;

  auto own_pages = TRY(OwnPages::Of(pid));
  // Neighbouring mappings are mostly of one file: open and keep it once.
  uint64_t kept_device = 0;
  uint64_t kept_inode = 0;
  uint32_t kept_object = 0;
  for (const Mapping& mapping : mappings) {
    if (mapping.is_vvar() || mapping.is_vsyscall()) continue;
    ImageMapping out;
    out.address = mapping.start;
    out.size = mapping.size();
    out.prot = mapping.prot;
    out.grows_down = mapping.is_stack();
    out.name = mapping.name;
    bool over_file = false;
    if (mapping.is_file()) {
      bool known = kept_inode == mapping.inode && kept_device == mapping.device;
      if (!known) {
        struct stat status {};
        Fd file = OpenMappedFile(pid, memory, mapping, &status);
        if (file) {
          kept_object = TRY(store.KeepFile(file.get(), status, mapping.name));
          kept_inode = mapping.inode;
          kept_device = mapping.device;
          known = true;
        }
      }
      if (known) {
        over_file = true;
        out.kind = ImageMapping::Kind::kBlob;
        out.object = kept_object;
        out.offset = mapping.offset;
      }
    }
    bool whole = mapping.is_vdso() || (mapping.is_file() && !over_file);
    if (whole) {
      AddPages(memory, mapping.start, mapping.end, /*keep_zero=*/false, image);
    } else if (!over_file || (mapping.prot & (PROT_WRITE | PROT_EXEC)) != 0) {
      // Of read-only data nothing can differ yet; code may be patched.
      TRY(AddOwnPages(own_pages, memory, mapping, over_file, image));
    }
    image.mappings.push_back(std::move(out));
  }
  return image;
}

}  // namespace retake
