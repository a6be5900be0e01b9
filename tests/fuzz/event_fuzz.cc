// The event decoder. The first byte chooses the architecture; the rest is a section of events. What
// can be decoded is encoded again, and must decode to the same.
#include "fuzzing.h"
#include "replay/event.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace retake;
  if (size == 0) return 0;
  const ArchDescription& arch = data[0] % 2 == 0 ? X86_64Description() : Aarch64Description();
  ByteReader in(ByteSpan(data + 1, size - 1));
  EventCodecState decoder;
  EventCodecState encoder;
  EventCodecState checker;
  Event event;
  Event again;
  ByteWriter out;
  while (!in.AtEnd() && DecodeEvent(in, arch, decoder, event).ok()) {
    for (const auto* runs : {&event.writes, &event.previews}) {
      for (const MemoryWrite& run : *runs) {
        Require(run.offset <= event.data.size() && run.size <= event.data.size() - run.offset,
                "a run lies inside the event's data");
      }
    }
    out.Clear();
    EncodeEvent(event, arch, encoder, out);
    ByteReader back(out.bytes());
    Require(DecodeEvent(back, arch, checker, again).ok(), "an encoded event can be decoded");
    Require(back.AtEnd(), "an event takes all of its bytes");
    Require(again == event, "an event survives a round trip");
  }
  return 0;
}
