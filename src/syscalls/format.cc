#include <cinttypes>
#include <cstdio>

#include "syscalls/row.h"

namespace retake {

std::string FormatCallEntry(const Call& call) {
  const Row& row = RowOf(call.sys);
  Arguments arguments = ArgumentsOf(row, call);
  std::string text(SysName(call.sys));
  text += '(';
  for (int i = 0; i < arguments.count; ++i) {
    char hex[32];
    snprintf(hex, sizeof hex, "%s%#" PRIx64, i > 0 ? ", " : "", call.args[i]);
    text += hex;
  }
  return text + ')';
}

std::string FormatCall(const Call& call) {
  return FormatCallEntry(call) + " = " + std::to_string(call.result);
}

std::string SupportPage() { return {}; }

}  // namespace retake
