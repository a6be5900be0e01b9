// The event codec: what goes in comes out, what is damaged is refused, what is newer is skipped.
#include "replay/event.h"

#include <gtest/gtest.h>

#include "trace_testing.h"

namespace retake {
namespace {

class EventCodec : public testing::TestWithParam<ArchId> {
 protected:
  const ArchDescription& arch() const { return *DescriptionOf(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(BothArchitectures, EventCodec,
                         testing::Values(ArchId::kX86_64, ArchId::kAarch64),
                         [](const auto& instance) {
                           return std::string(DescriptionOf(instance.param)->name);
                         });

TEST_P(EventCodec, RandomEventsComeBackAsTheyWere) {
  std::mt19937_64 random(1);
  EventCodecState encoder;
  ByteWriter out;
  std::vector<Event> events;
  for (int i = 0; i < 2000; i++) {
    events.push_back(RandomEvent(random, arch()));
    events.back().sequence = i % 10 == 9 ? random() : static_cast<uint64_t>(i);
    EncodeEvent(events.back(), arch(), encoder, out);
  }
  EventCodecState decoder;
  ByteReader in(out.bytes());
  Event event;
  for (const Event& expected : events) {
    ASSERT_OK(DecodeEvent(in, arch(), decoder, event));
    ASSERT_EQ(event, expected);
  }
  EXPECT_TRUE(in.AtEnd());
}

TEST_P(EventCodec, ACallThatChangesTwoRegistersIsSmall) {
  Event event;
  for (size_t i = 0; i < arch().registers.size(); i++) event.before.words[i] = 0x7fff'0000'1000 + i;
  event.after = event.before;
  event.after.words[arch().result] = 3;
  EventCodecState state;
  ByteWriter out;
  EncodeEvent(event, arch(), state, out);
  size_t first = out.size();
  event.sequence = 1;
  event.before.words[arch().pc] += 40;
  event.after.words[arch().pc] += 40;
  EncodeEvent(event, arch(), state, out);
  EXPECT_LE(out.size() - first, 40u);
}

TEST_P(EventCodec, EveryTruncationIsAnErrorAndNoEvent) {
  std::mt19937_64 random(2);
  Event expected = RandomEvent(random, arch());
  expected.AddWrite(0x1000, 5);
  EventCodecState encoder;
  ByteWriter out;
  EncodeEvent(expected, arch(), encoder, out);
  for (size_t size = 0; size < out.size(); size++) {
    EventCodecState decoder;
    ByteReader in(ByteSpan(out.bytes()).first(size));
    Event event;
    EXPECT_FALSE(DecodeEvent(in, arch(), decoder, event).ok()) << size;
    EXPECT_EQ(event, Event()) << size;
  }
}

TEST_P(EventCodec, DamagedBytesGiveAnErrorOrAnEventWithinBounds) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20000; round++) {
    EventCodecState encoder;
    ByteWriter out;
    EncodeEvent(RandomEvent(random, arch()), arch(), encoder, out);
    std::vector<uint8_t> bytes = out.Take();
    for (int i = 0; i < 3; i++) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    EventCodecState decoder;
    ByteReader in(bytes);
    Event event;
    if (!DecodeEvent(in, arch(), decoder, event).ok()) continue;
    for (const auto* runs : {&event.writes, &event.previews}) {
      for (const MemoryWrite& run : *runs) {
        ASSERT_LE(uint64_t{run.offset} + run.size, event.data.size());
        ASSERT_GE(run.address + run.size, run.address);
      }
    }
    ASSERT_LE(event.kind, EventKind::kLast);
    ASSERT_GE(event.kind, EventKind::kExec);
    for (const MapOp& op : event.map_ops) {
      ASSERT_GE(op.kind, MapOp::Kind::kMapAnonymous);
      ASSERT_LE(op.kind, MapOp::Kind::kLast);
    }
  }
}

TEST_P(EventCodec, FieldsOfLaterVersionsAreSkipped) {
  std::mt19937_64 random(4);
  Event first = RandomEvent(random, arch());
  Event second = RandomEvent(random, arch());
  second.sequence = 1;
  EventCodecState encoder;
  ByteWriter plain;
  EncodeEvent(first, arch(), encoder, plain);
  ByteReader whole(plain.bytes());
  ByteSpan body = whole.Blob();
  ByteWriter out;
  ByteWriter longer;
  longer.Raw(body);
  longer.Text("a field that this version doesn't know");
  out.Blob(longer.bytes());
  EncodeEvent(second, arch(), encoder, out);

  EventCodecState decoder;
  ByteReader in(out.bytes());
  Event event;
  ASSERT_OK(DecodeEvent(in, arch(), decoder, event));
  EXPECT_EQ(event, first);
  ASSERT_OK(DecodeEvent(in, arch(), decoder, event));
  EXPECT_EQ(event, second);
}

TEST_P(EventCodec, AHugeTaskIdCostsNoMemory) {
  Event expected;
  expected.task = UINT32_MAX;
  expected.new_task = UINT32_MAX - 1;
  EventCodecState encoder;
  ByteWriter out;
  EncodeEvent(expected, arch(), encoder, out);
  EventCodecState decoder;
  ByteReader in(out.bytes());
  Event event;
  ASSERT_OK(DecodeEvent(in, arch(), decoder, event));
  EXPECT_EQ(event, expected);
  EXPECT_TRUE(decoder.Knows(UINT32_MAX));
  EXPECT_FALSE(decoder.Knows(0));
}

TEST(Event, AddWriteGivesRoomThatBytesOfFinds) {
  Event event;
  event.AddPreview(0x500, 3)[0] = 1;
  std::span<uint8_t> room = event.AddWrite(0x1000, 4);
  ASSERT_EQ(room.size(), 4u);
  room[3] = 9;
  EXPECT_EQ(event.BytesOf(event.writes[0])[3], 9);
  EXPECT_EQ(event.BytesOf(event.previews[0])[0], 1);
  event.Clear();
  EXPECT_EQ(event, Event());
}

TEST(Event, EveryKindHasAName) {
  for (int kind = 1; kind <= static_cast<int>(EventKind::kLast); kind++) {
    EXPECT_NE(EventKindName(static_cast<EventKind>(kind)), "?") << kind;
  }
  EXPECT_EQ(EventKindName(EventKind::kTaskNew), "task-new");
  EXPECT_EQ(EventKindName(EventKind::kMemoryChanged), "memory-changed");
  EXPECT_EQ(EventKindName(EventKind::kFirstRunEnd), "first-run-end");
  EXPECT_EQ(EventKindName(static_cast<EventKind>(200)), "?");
}

}  // namespace
}  // namespace retake
