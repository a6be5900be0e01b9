// What it costs to encode and decode an event: the part of recording that is paid for each call.
#include <benchmark/benchmark.h>

#include "arch/arch.h"
#include "replay/event.h"

namespace retake {
namespace {

// A call like most: few registers change, `bytes` bytes are written into the program.
Event TypicalEvent(size_t bytes) {
  Event event;
  event.kind = EventKind::kSyscall;
  for (size_t i = 0; i < event.before.words.size(); ++i)
    event.before.words[i] = 0x7f00'0000'1000 + i;
  event.after = event.before;
  event.after.words[HostArch().result] = bytes;
  if (bytes > 0) {
    std::span<uint8_t> room = event.AddWrite(0x7ffd'0000'2000, bytes);
    for (size_t i = 0; i < room.size(); ++i) room[i] = static_cast<uint8_t>(i * 37);
  }
  return event;
}

void EncodeOne(benchmark::State& state) {
  Event event = TypicalEvent(static_cast<size_t>(state.range(0)));
  EventCodecState codec;
  ByteWriter out;
  uint64_t count = 0;
  for (auto step : state) {
    (void)step;
    event.before.words[HostArch().pc] = 0x40'0000 + (count & 0xfff) * 16;
    event.sequence = count++;
    EncodeEvent(event, HostArch(), codec, out);
    if (out.size() > (1u << 20)) {  // a section's worth
      out.Clear();
      codec.Reset();
    }
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(EncodeOne)->Arg(0)->Arg(64)->Arg(4096);

void DecodeOne(benchmark::State& state) {
  constexpr int kEvents = 1000;
  ByteWriter out;
  {
    EventCodecState codec;
    Event event = TypicalEvent(static_cast<size_t>(state.range(0)));
    for (int i = 0; i < kEvents; ++i) {
      event.before.words[HostArch().pc] = 0x40'0000 + static_cast<uint64_t>(i) * 16;
      EncodeEvent(event, HostArch(), codec, out);
    }
  }
  Event event;
  for (auto step : state) {
    (void)step;
    EventCodecState codec;
    ByteReader in(out.bytes());
    for (int i = 0; i < kEvents; ++i) {
      if (!DecodeEvent(in, HostArch(), codec, event).ok()) {
        state.SkipWithError("an event does not decode");
        return;
      }
    }
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
}
BENCHMARK(DecodeOne)->Arg(0)->Arg(64)->Arg(4096);

}  // namespace
}  // namespace retake
