// SupportPage: the table for people, docs/syscalls.md. A test compares the file with this.
#include <fmt/format.h>

#include <cstring>
#include <iterator>

#include "syscalls/row.h"

namespace retake {
namespace {

std::string Number(const ArchDescription& arch, Sys sys) {
  int number = arch.NumberOf(sys);
  return number < 0 ? "" : fmt::to_string(number);
}

std::string_view MapText(MapEffect effect) {
  switch (effect) {
    case MapEffect::kNone:
      return "";
    case MapEffect::kMap:
    case MapEffect::kUnmap:
    case MapEffect::kProtect:
    case MapEffect::kRemap:
    case MapEffect::kBrk:
    case MapEffect::kAdvise:
    case MapEffect::kAttach:
      return "mapping, made again in replay";
    case MapEffect::kExecuted:
      return "executed in replay";
    case MapEffect::kExec:
      return "a new image";
  }
  return "";
}

std::string Recording(const Row& row) {
  switch (row.record) {
    case Disposition::kAllow:
      return "goes free";
    case Disposition::kStub:
      return "recorded in the process";
    case Disposition::kNotify:
      return "answered by the supervisor";
    case Disposition::kDeny: {
      const char* name = strerrorname_np(row.deny_errno);
      return fmt::format("refused: {}", name != nullptr ? name : "?");
    }
    case Disposition::kStop:
      break;
  }
  std::string text = "recorded";
  if (row.outputs_unknown) text += ", by page difference";
  std::string_view map = MapText(row.map);
  if (!map.empty()) text += fmt::format("; {}", map);
  if (row.task == TaskEffect::kCreates) text += "; a new task";
  return text;
}

// What the requests of a call come to: "94 requests known".
std::string Requests(const Row& row) {
  if (row.sub == nullptr) return "";
  size_t known = 0;
  for (const SubRow& request : row.sub->rows) known += request.unknown ? 0 : 1;
  return fmt::format("{} requests known", known);
}

}  // namespace

std::string SupportPage() {
  std::string page =
      "# Syscalls\n"
      "\n"
      "What becomes of each syscall when a program is recorded. This page is made from the table\n"
      "in `src/syscalls/`; do not edit it. To make it again after a change of the table:\n"
      "\n"
      "    RETAKE_WRITE_DOCS=1 build/debug/tests/unit_syscalls --gtest_filter='SupportPage.*'\n"
      "\n"
      "- *recorded*: the kernel runs the call, and its result and all it wrote are kept. A replay\n"
      "  never runs it, unless the table says so.\n"
      "- *refused*: the program gets that error, as from a kernel without the call; most programs\n"
      "  fall back to another.\n"
      "- *by page difference*: what the call writes isn't known beforehand, so memory is "
      "compared:\n"
      "  slower, but as exact. The same is done for requests (of `ioctl` and its like) that the\n"
      "  table doesn't know.\n"
      "- *may wait*: the call can sleep until another task or the outside acts.\n"
      "\n"
      "A number that isn't in this list gets `ENOSYS`, and the summary of the recording names it.\n"
      "\n";
  size_t counts[2] = {};
  for (int i = 0; i < kSysCount; ++i) {
    ++counts[RowOf(static_cast<Sys>(i)).record == Disposition::kDeny ? 1 : 0];
  }
  fmt::format_to(std::back_inserter(page), "{} calls are supported, {} are refused.\n\n", counts[0],
                 counts[1]);
  page +=
      "| call | x86_64 | aarch64 | recording | may wait | notes |\n"
      "|---|---|---|---|---|---|\n";
  for (int i = 0; i < kSysCount; ++i) {
    auto sys = static_cast<Sys>(i);
    const Row& row = RowOf(sys);
    std::string notes(row.why);
    std::string requests = Requests(row);
    if (!requests.empty()) notes += (notes.empty() ? "" : "; ") + requests;
    fmt::format_to(std::back_inserter(page), "| {} | {} | {} | {} | {} | {} |\n", SysName(sys),
                   Number(X86_64Description(), sys), Number(Aarch64Description(), sys),
                   Recording(row), row.may_block ? "yes" : "", notes);
  }
  return page;
}

}  // namespace retake
