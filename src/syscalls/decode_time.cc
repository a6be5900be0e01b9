// Decoders of times and timers.
#include "syscalls/decode.h"

namespace retake {
namespace {

constexpr int64_t kUtimeNow = 0x3fffffff, kUtimeOmit = 0x3ffffffe;  // UTIME_NOW, UTIME_OMIT
constexpr double kTicksPerSecond = 100;                             // USER_HZ

using Pair = int64_t[2];

bool Timespec(const Context& c, std::string& out) {
  Pair pair;
  if (!c.Read(c.value, &pair)) return false;
  PrintTimespec(out, pair[0], pair[1]);
  return true;
}
bool Timeval(const Context& c, std::string& out) {
  Pair pair;
  if (!c.Read(c.value, &pair)) return false;
  PrintTimeval(out, pair[0], pair[1]);
  return true;
}
bool Timespecs2(const Context& c, std::string& out) {
  Pair pairs[2];
  if (!c.Read(c.value, &pairs)) return false;
  return PrintList(out, 2, [&](uint64_t i, std::string& text) {
    if (pairs[i][1] == kUtimeNow) {
      text += "UTIME_NOW";
    } else if (pairs[i][1] == kUtimeOmit) {
      text += "UTIME_OMIT";
    } else {
      PrintTimespec(text, pairs[i][0], pairs[i][1]);
    }
    return true;
  });
}
bool Timevals2(const Context& c, std::string& out) {
  Pair pairs[2];
  if (!c.Read(c.value, &pairs)) return false;
  return PrintList(out, 2, [&](uint64_t i, std::string& text) {
    PrintTimeval(text, pairs[i][0], pairs[i][1]);
    return true;
  });
}
bool Timezone(const Context& c, std::string& out) {
  int32_t words[2];
  if (!c.Read(c.value, &words)) return false;
  Print(out, "{{tz_minuteswest={}, tz_dsttime={}}}", words[0], words[1]);
  return true;
}
bool Utimbuf(const Context& c, std::string& out) {
  Pair pair;
  if (!c.Read(c.value, &pair)) return false;
  Print(out, "{{actime={}, modtime={}}}", pair[0], pair[1]);
  return true;
}
bool Itimerspec(const Context& c, std::string& out) {
  Pair pairs[2];
  if (!c.Read(c.value, &pairs)) return false;
  out += "{it_interval=";
  PrintTimespec(out, pairs[0][0], pairs[0][1]);
  out += ", it_value=";
  PrintTimespec(out, pairs[1][0], pairs[1][1]);
  out += '}';
  return true;
}
bool Itimerval(const Context& c, std::string& out) {
  Pair pairs[2];
  if (!c.Read(c.value, &pairs)) return false;
  out += "{it_interval=";
  PrintTimeval(out, pairs[0][0], pairs[0][1]);
  out += ", it_value=";
  PrintTimeval(out, pairs[1][0], pairs[1][1]);
  out += '}';
  return true;
}
bool TimeT(const Context& c, std::string& out) {
  int64_t seconds;
  if (!c.Read(c.value, &seconds)) return false;
  Print(out, "[{}]", seconds);
  return true;
}
bool Timex(const Context& c, std::string& out) {
  struct {
    uint32_t modes, padding;
    int64_t offset, frequency, max_error, estimated_error;
    int32_t status, padding2;
  } head;
  if (!c.Read(c.value, &head)) return false;
  out += "{modes=";
  PrintHex(out, head.modes);
  Print(out, ", offset={}, freq={}, maxerror={}, esterror={}, status=", head.offset, head.frequency,
        head.max_error, head.estimated_error);
  PrintHex(out, static_cast<uint32_t>(head.status));
  out += ", ...}";
  return true;
}
bool Tms(const Context& c, std::string& out) {
  int64_t ticks[4];
  if (!c.Read(c.value, &ticks)) return false;
  constexpr std::string_view kNames[] = {"tms_utime", "tms_stime", "tms_cutime", "tms_cstime"};
  out += '{';
  for (int i = 0; i < 4; ++i) {
    Print(out, "{}{}=", i > 0 ? ", " : "", kNames[i]);
    PrintTicks(out, ticks[i]);
  }
  out += '}';
  return true;
}

constexpr DecoderRow kDecoders[] = {
    {Type::kTimespec, Timespec},
    {Type::kTimespecs2, Timespecs2},
    {Type::kTimeval, Timeval},
    {Type::kTimevals2, Timevals2},
    {Type::kTimezone, Timezone},
    {Type::kUtimbuf, Utimbuf},
    {Type::kItimerspec, Itimerspec},
    {Type::kItimerval, Itimerval},
    {Type::kTimeT, TimeT},
    {Type::kTimex, Timex},
    {Type::kTms, Tms},
};

}  // namespace

std::span<const DecoderRow> TimeDecoders() { return kDecoders; }

void PrintTimespec(std::string& out, int64_t seconds, int64_t nanoseconds) {
  Print(out, "{{tv_sec={}, tv_nsec={}}}", seconds, nanoseconds);
}

void PrintTicks(std::string& out, int64_t ticks) {
  Print(out, "{}", ticks);
  if (ticks != 0) Print(out, " /* {:.2f} s */", static_cast<double>(ticks) / kTicksPerSecond);
}

void PrintTimeval(std::string& out, int64_t seconds, int64_t microseconds) {
  Print(out, "{{tv_sec={}, tv_usec={}}}", seconds, microseconds);
}

}  // namespace retake
