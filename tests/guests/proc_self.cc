// R01: what /proc says of the process: it may show retake's traces of tracing, but a replay shows
// the same.
#include "guest.h"

int main() {
  std::string status = ReadFile("/proc/self/status");
  std::string maps = ReadFile("/proc/self/maps");
  Say("status names the program: %d", status.rfind("Name:\tproc_self", 0) == 0);
  Say("maps has a stack: %d", maps.find("[stack]") != std::string::npos);
  for (size_t at = 0; at < maps.size();) {
    size_t end = maps.find('\n', at);
    Vary("%s", maps.substr(at, end - at).c_str());
    at = end + 1;
  }
  Say("cmdline [%s]", strrchr(ReadFile("/proc/self/cmdline").c_str(), '/') + 1);
  Vary("stat %s", ReadFile("/proc/self/stat").c_str());
}
