#include "snapshot/packet_filter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "base/fd.h"
#include "tracee/ptrace.h"

namespace retake {
namespace {

constexpr int kBound = 10'000;  // ms

// Runs nft; what it said on standard error is the error's.
Status RunNft(const std::string& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoError("can't make a pipe");
  Fd said(ends[0]), says(ends[1]);
  pid_t child = fork();
  if (child < 0) return ErrnoError("can't fork");
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    dup2(null.get(), STDIN_FILENO);
    dup2(null.get(), STDOUT_FILENO);
    dup2(says.get(), STDERR_FILENO);
    // Where it is, users that may not run it don't look.
    const char* path = getenv("PATH");
    setenv("PATH", fmt::format("{}:/usr/sbin:/sbin", path == nullptr ? "/usr/bin" : path).c_str(),
           1);
    execlp("nft", "nft", command.c_str(), nullptr);
    _exit(127);
  }
  says.Reset();
  auto ended = ptracer::WaitOne(child, kBound);
  if (ended.ok() && !*ended) ptracer::KillAndReap(child);
  if (!ended.ok()) return ended.error();
  if (!*ended) return MakeError("nft isn't done within {} s", kBound / 1'000);
  if ((*ended)->raw() == 0) return {};
  constexpr int kNotFound = 127;
  if ((*ended)->kind() == StopKind::kExited && WEXITSTATUS((*ended)->raw()) == kNotFound)
    return MakeError("nft isn't there (the package nftables)");
  char text[256] = "";
  ssize_t size = read(said.get(), text, sizeof text - 1);
  std::string_view first(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  first = first.substr(0, first.find('\n'));
  return MakeError("nft failed: {}", first);
}

std::string Match(const Endpoint& from, const Endpoint& to) {
  const char* family = from.is_v4() ? "ip" : "ip6";
  return fmt::format("{0} saddr {1} {0} daddr {2} tcp sport {3} tcp dport {4} drop", family,
                     DescribeHost(from), DescribeHost(to), from.port, to.port);
}

}  // namespace

Status MayHoldPackets() { return RunNft("list tables"); }

Status HoldPackets(const std::string& table, std::span<const EndpointPair> connections) {
  // Before anything else looks at them.
  std::string command = fmt::format("add table inet {};", table);
  for (const char* hook : {"input", "output"}) {
    command += fmt::format("add chain inet {} {} {{ type filter hook {} priority raw; }};", table,
                           hook, hook);
  }
  for (const auto& [here, there] : connections) {
    command += fmt::format("add rule inet {} input {};", table, Match(there, here));
    command += fmt::format("add rule inet {} output {};", table, Match(here, there));
  }
  return RunNft(command);
}

void LetPacketsPass(const std::string& table) {
  (void)RunNft(fmt::format("delete table inet {}", table));
}

}  // namespace retake
