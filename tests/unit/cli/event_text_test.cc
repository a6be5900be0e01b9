#include "cli/event_text.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstring>

namespace retake {
namespace {

// A trace of nothing, to describe events against.
class EmptyTrace : public TraceReader {
 public:
  explicit EmptyTrace(const ArchDescription& arch) : arch_(arch) {}
  const TraceManifest& manifest() const override { return manifest_; }
  std::optional<bool> is_being_written() const override { return false; }
  const ArchDescription& arch() const override { return arch_; }
  const std::string& path() const override { return text_; }
  const std::vector<TraceObject>& objects() const override { return objects_; }
  Result<Fd> OpenBlob(uint32_t, bool) const override { return MakeError("none"); }
  Result<Image> ReadImage(uint32_t) override {
    Image image;
    image.executable = "/bin/true";
    image.arguments = {"true", "\x1b"};
    return image;
  }
  size_t image_count() const override { return 1; }
  Result<Next> ReadEvent(Event&) override { return Next::kEnd; }
  const std::string& cut_reason() const override { return text_; }
  Status Rewind() override { return {}; }
  Sizes sizes() const override { return {}; }
  Status Verify() override { return {}; }

 private:
  const ArchDescription& arch_;
  TraceManifest manifest_;
  std::string text_;
  std::vector<TraceObject> objects_;
};

void Put(std::span<uint8_t> room, const void* bytes) { memcpy(room.data(), bytes, room.size()); }

Event CallEvent(const ArchDescription& arch, EventKind kind, Sys sys, std::vector<uint64_t> args,
                int64_t result) {
  Event event;
  event.kind = kind;
  event.before.words[arch.syscall] = static_cast<uint64_t>(arch.NumberOf(sys));
  for (size_t i = 0; i < args.size(); ++i) event.before.words[arch.args[i]] = args[i];
  event.after = event.before;
  event.after.words[arch.result] = static_cast<uint64_t>(result);
  return event;
}

class EventText : public testing::TestWithParam<ArchId> {
 protected:
  const ArchDescription& arch() const { return *DescriptionOf(GetParam()); }
  EmptyTrace trace_{*DescriptionOf(GetParam())};
  EventDescriber describer_{trace_};
};

TEST(EventMemory, WritesLieOverPreviewsAndTheLastWriteStands) {
  Event event;
  Put(event.AddPreview(100, 8), "previews");
  Put(event.AddWrite(102, 2), "WW");
  Put(event.AddWrite(103, 1), "X");
  EventMemory memory(event);
  char text[9] = {};
  EXPECT_EQ(memory.ReadSome(100, text, 8), 8U);
  EXPECT_STREQ(text, "prWXiews");
  EXPECT_EQ(memory.ReadSome(106, text, 8), 2U);
  EXPECT_EQ(memory.ReadSome(99, text, 1), 0U);
  EXPECT_EQ(memory.ReadSome(~uint64_t{0}, text, 4), 0U);
}

TEST_P(EventText, CallsReadLikeStrace) {
  Event event = CallEvent(arch(), EventKind::kSyscall, Sys::read, {3, 0x1000, 5}, 5);
  event.pid = 0;
  Put(event.AddWrite(0x1000, 5), "hello");
  EXPECT_EQ(describer_.Text(event), "[task 0] read(3, \"hello\", 5) = 5");
}

TEST_P(EventText, BlockedCallsAreResumedWithTheirInputs) {
  Event entered = CallEvent(arch(), EventKind::kEntered, Sys::read, {3, 0x1000, 5}, 0);
  std::string first = describer_.Text(entered);
  EXPECT_TRUE(first.ends_with(" <unfinished ...>")) << first;
  EXPECT_TRUE(first.starts_with("[task 0] read(3")) << first;
  Event completed;
  completed.kind = EventKind::kCompleted;
  completed.after.words[arch().result] = 2;
  Put(completed.AddWrite(0x1000, 2), "ok");
  EXPECT_EQ(describer_.Text(completed), "[task 0] <... resumed> read(3, \"ok\", 5) = 2");
}

TEST_P(EventText, ACallThatNeverReturnsIsNotUnfinished) {
  EXPECT_EQ(describer_.Text(CallEvent(arch(), EventKind::kEntered, Sys::exit_group, {3}, 0)),
            "[task 0] exit_group(3) = ?");
}

TEST_P(EventText, TasksGoByTheirPids) {
  Event exec;
  exec.kind = EventKind::kExec;
  exec.pid = 77;
  EXPECT_EQ(describer_.Text(exec),
            "[77] === exec /bin/true true '?' (0 mappings, 0 B of contents) ===");
  Event born;
  born.kind = EventKind::kTaskNew;
  born.new_task = 1;
  born.pid = 78;
  EXPECT_EQ(describer_.Text(born), "[77] === new process 78 ===");
  Event gone;
  gone.kind = EventKind::kTaskGone;
  gone.task = 1;
  gone.wait_status = SIGKILL;
  EXPECT_EQ(describer_.Text(gone), "[78] +++ killed by SIGKILL +++");
  gone.wait_status = 4 << 8;
  EXPECT_EQ(describer_.Text(gone), "[78] +++ exited with 4 +++");
}

TEST_P(EventText, SignalsShowTheirInformation) {
  Event event;
  event.kind = EventKind::kSignal;
  event.signal = SIGCHLD;
  EXPECT_EQ(describer_.Text(event), "[task 0] --- SIGCHLD ---");
  siginfo_t info = {};
  info.si_signo = SIGCHLD;
  info.si_code = CLD_EXITED;
  info.si_pid = 5;
  info.si_status = 3;
  event.after.words[arch().args[1]] = 0x7000;
  Put(event.AddWrite(0x7000, sizeof info), &info);
  EXPECT_EQ(describer_.Text(event),
            "[task 0] --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=5, si_uid=0, "
            "si_status=3} ---");
}

TEST_P(EventText, JsonHoldsTheSame) {
  Event event = CallEvent(arch(), EventKind::kSyscall, Sys::close, {3}, -9);
  nlohmann::ordered_json json = describer_.Json(event);
  EXPECT_EQ(json["kind"], "syscall");
  EXPECT_EQ(json["call"], "close");
  EXPECT_EQ(json["number"], arch().NumberOf(Sys::close));
  EXPECT_EQ(json["arguments"][0], "0x3");
  EXPECT_EQ(json["result"], -9);
  EXPECT_EQ(json["text"], "close(3) = -1 EBADF (Bad file descriptor)");
}

std::string ArchName(const testing::TestParamInfo<ArchId>& tested) {
  return std::string(DescriptionOf(tested.param)->name);
}

INSTANTIATE_TEST_SUITE_P(Architectures, EventText,
                         testing::Values(ArchId::kX86_64, ArchId::kAarch64), ArchName);

}  // namespace
}  // namespace retake
