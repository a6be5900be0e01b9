// Words for what a trace holds, shared by `ls`, `info` and `dump`.
#ifndef RETAKE_CLI_DESCRIBE_H_
#define RETAKE_CLI_DESCRIBE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "replay/trace.h"

namespace retake {

// "2026-11-21 21:34", local time; "-" for 0.
std::string DescribeTime(int64_t seconds_since_epoch);
// "1.5 MiB".
std::string DescribeSize(uint64_t bytes);
// "exited 0", "SIGKILL", "SIGSEGV, core dumped": of a wait status.
std::string DescribeWaitStatus(int wait_status);
// The same of a trace, or "stopped"; without an end "recording" or "cut short", or, if it isn't
// known whether a recorder is at work on it, "unfinished".
std::string DescribeEnd(const TraceManifest& manifest,
                        std::optional<bool> is_being_written = std::nullopt);
// As one would type it to a shell.
std::string DescribeCommand(const std::vector<std::string>& command);
// "SIGCHLD", "SIGRTMIN+3", or the number.
std::string SignalName(int signal);

// Everything that `info --json` and `ls --json` tell.
nlohmann::ordered_json ManifestJson(const TraceReader& trace);
// Without line breaks. Bytes that aren't UTF-8 are replaced.
std::string JsonText(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace retake

#endif  // RETAKE_CLI_DESCRIBE_H_
