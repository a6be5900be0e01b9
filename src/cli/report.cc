#include "cli/report.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace retake {
namespace {

constexpr std::array<std::string_view, 6> kReasonWords = {
    "usage", "failed", "divergence", "the trace ends here", "damaged", "loss"};

}  // namespace

std::string_view ReasonWord(Reason reason) { return kReasonWords[static_cast<size_t>(reason)]; }

int Fail(Reason reason, std::string_view message, int status) {
  fflush(stdout);
  while (message.ends_with('\n')) message.remove_suffix(1);
  size_t last = message.rfind('\n');
  std::string text;
  if (last != std::string_view::npos) {
    text.assign(message.substr(0, last + 1));
    message.remove_prefix(last + 1);
  }
  // Sentences that begin with the reason already need it no second time.
  std::string_view word = ReasonWord(reason);
  text += message.starts_with(word) ? fmt::format("retake: {}\n", message)
                                    : fmt::format("retake: {}: {}\n", word, message);
  // One write, so that the line stays whole beside other writers.
  fwrite(text.data(), 1, text.size(), stderr);
  return status;
}

int Fail(const Error& error, int status) { return Fail(Reason::kFailed, error.Message(), status); }

int FailErrno(std::string_view what) {
  int saved = errno;
  return Fail(Reason::kFailed, fmt::format("{}: {}", what, strerror(saved)));
}

Status WriteStatusFile(const std::string& path, const StatusReport& report) {
  if (path.empty()) return {};
  nlohmann::ordered_json json;
  json["verb"] = report.verb;
  json["trace"] = report.trace;
  json["complete"] = report.message.empty();
  if (!report.message.empty()) {
    json["kind"] = report.kind;
    json["reason"] = report.message;
  } else if (report.signal != 0) {
    json["signal"] = report.signal;
  } else {
    json["exit_status"] = report.exit_status;
  }
  json["events"] = report.events;
  std::string text =
      json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";

  std::string temporary = path + ".new";
  Fd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return ErrnoError("can't make the status file {}", temporary);
  std::string_view rest = text;
  while (!rest.empty()) {
    ssize_t wrote = write(file.get(), rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      Error error = ErrnoError("can't write the status file {}", temporary);
      unlink(temporary.c_str());
      return error;
    }
    rest.remove_prefix(static_cast<size_t>(wrote));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    Error error = ErrnoError("can't put the status file in place as {}", path);
    unlink(temporary.c_str());
    return error;
  }
  return {};
}

}  // namespace retake
