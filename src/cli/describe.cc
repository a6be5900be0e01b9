#include "cli/describe.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <cstring>

namespace retake {
namespace {

constexpr std::array<std::string_view, 3> kEndNames = {"unfinished", "complete", "stopped"};

// glibc keeps two signals below the kernel's first real-time signal's successors for itself, so its
// SIGRTMIN isn't the kernel's 32; strace counts from the kernel's, and so do we.
constexpr int kFirstRealTime = 32;
constexpr int kLastRealTime = 64;

}  // namespace

std::string DescribeTime(int64_t seconds_since_epoch) {
  if (seconds_since_epoch == 0) return "-";
  time_t seconds = seconds_since_epoch;
  struct tm parts = {};
  if (localtime_r(&seconds, &parts) == nullptr) return "-";
  char text[32];
  strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

std::string DescribeSize(uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string SignalName(int signal) {
  if (signal >= kFirstRealTime && signal <= kLastRealTime) {
    return signal == kFirstRealTime ? "SIGRTMIN"
                                    : fmt::format("SIGRTMIN+{}", signal - kFirstRealTime);
  }
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

std::string DescribeWaitStatus(int wait_status) {
  if (WIFEXITED(wait_status)) return fmt::format("exited {}", WEXITSTATUS(wait_status));
  if (!WIFSIGNALED(wait_status)) return fmt::format("wait status {:#x}", wait_status);
  return SignalName(WTERMSIG(wait_status)) + (WCOREDUMP(wait_status) ? ", core dumped" : "");
}

std::string DescribeEnd(const TraceManifest& manifest, std::optional<bool> is_being_written) {
  if (manifest.end == TraceEnd::kUnfinished) {
    if (!is_being_written) return "unfinished";
    return *is_being_written ? "recording" : "cut short";
  }
  if (manifest.end == TraceEnd::kStopped) return "stopped";
  return manifest.wait_status ? DescribeWaitStatus(*manifest.wait_status) : "complete";
}

std::string DescribeCommand(const std::vector<std::string>& command) {
  std::string text;
  for (const std::string& word : command) {
    if (!text.empty()) text += ' ';
    bool plain = !word.empty();
    for (char c : word) {
      plain = plain &&
              (isalnum(static_cast<unsigned char>(c)) != 0 || strchr("_-+=./:,@%^", c) != nullptr);
    }
    if (plain) {
      text += word;
      continue;
    }
    text += '\'';
    for (char c : word) {
      if (c == '\'') {
        text += "'\\''";
      } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
        text += '?';  // a terminal must not be told anything by a trace
      } else {
        text += c;
      }
    }
    text += '\'';
  }
  return text;
}

nlohmann::ordered_json ManifestJson(const TraceReader& trace) {
  const TraceManifest& manifest = trace.manifest();
  TraceReader::Sizes sizes = trace.sizes();
  nlohmann::ordered_json json;
  json["path"] = trace.path();
  json["arch"] = trace.arch().name;
  json["retake_version"] = manifest.retake_version;
  json["trace_version"] = kTraceVersion;
  json["command"] = manifest.command;
  json["directory"] = manifest.directory;
  json["host"] = manifest.host;
  json["kernel"] = manifest.kernel;
  json["started"] = manifest.started;
  json["seconds"] = manifest.seconds;
  json["cpu"] = manifest.cpu;
  json["cpu_model"] = manifest.cpu_model;
  json["cpu_features"] = manifest.cpu_features;
  json["portable"] = manifest.portable;
  json["planted_traps"] = manifest.planted_traps;
  json["page_size"] = manifest.page_size;
  json["vector_bytes"] = manifest.vector_bytes;
  json["end"] = kEndNames[static_cast<size_t>(manifest.end)];
  json["reason"] = manifest.reason;
  if (manifest.wait_status && WIFSIGNALED(*manifest.wait_status)) {
    json["signal"] = WTERMSIG(*manifest.wait_status);
  } else if (manifest.wait_status) {
    json["exit_status"] = WEXITSTATUS(*manifest.wait_status);
  }
  json["events"] = manifest.events;
  json["tasks"] = manifest.tasks;
  json["unknown_calls"] = manifest.unknown_calls;
  json["sections"] = sizes.sections;
  json["raw_bytes"] = sizes.raw_bytes;
  json["stored_bytes"] = sizes.stored_bytes;
  json["blobs"] = sizes.blobs;
  json["blob_bytes"] = sizes.blob_bytes;
  return json;
}

std::string JsonText(const nlohmann::ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace retake
