#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "cli/describe.h"
#include "cli/report.h"
#include "cli/verb.h"

namespace retake {
namespace {

struct Ran {
  int status;
  std::string out, err;
};

Ran RunMain(std::vector<std::string> words) {
  words.insert(words.begin(), "retake");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Ran ran;
  ran.status = Main(arguments);
  ran.out = testing::internal::GetCapturedStdout();
  ran.err = testing::internal::GetCapturedStderr();
  return ran;
}

TEST(Verbs, AloneItPrintsUsageOnStderr) {
  Ran ran = RunMain({});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("SYNOPSIS"), std::string::npos);
}

TEST(Verbs, HelpInEverySpelling) {
  Ran overview = RunMain({"help"});
  EXPECT_EQ(overview.status, 0);
  EXPECT_EQ(RunMain({"--help"}).out, overview.out);
  EXPECT_EQ(RunMain({"-h"}).out, overview.out);
  Ran page = RunMain({"help", "record"});
  EXPECT_EQ(page.status, 0);
  EXPECT_EQ(page.out, RunMain({"record", "--help"}).out);
  EXPECT_EQ(page.out, RunMain({"record", "-h"}).out);
}

TEST(Verbs, UnknownVerbIsUsageAndSuggests) {
  Ran ran = RunMain({"recrod", "ls"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.err, "retake: usage: there is no verb \"recrod\"; did you mean \"record\"?\n");
  EXPECT_EQ(RunMain({"help", "nothing"}).status, 2);
}

TEST(Verbs, NamesAreOnce) {
  std::set<std::string_view> names;
  for (const Verb* verb : Verbs()) EXPECT_TRUE(names.insert(verb->name).second) << verb->name;
  EXPECT_EQ(FindVerb("recor"), nullptr);
  EXPECT_EQ(NearestVerb("xyzzy"), nullptr);
}

TEST(Verbs, ProgramVerbsFailWith125AndTheOthersWith2) {
  for (const Verb* verb : Verbs()) {
    Ran ran = RunMain({std::string(verb->name), "--no-such-option"});
    bool program = verb->name == "record" || verb->name == "replay" || verb->name == "restore";
    EXPECT_EQ(ran.status, program ? 125 : 2) << verb->name << ran.err;
    EXPECT_TRUE(ran.err.starts_with("retake: usage: ")) << ran.err;
  }
}

TEST(Report, ReasonIsTheLastLine) {
  testing::internal::CaptureStderr();
  EXPECT_EQ(Fail(Reason::kDivergence, "event 7\n  expected 1\nregisters differ\n"), 125);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "event 7\n  expected 1\nretake: divergence: registers differ\n");
  testing::internal::CaptureStderr();
  Fail(Reason::kTraceEnds, "the trace ends here, after 3 events");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "retake: the trace ends here, after 3 events\n");
}

TEST(Report, StatusFileIsJsonAndReplaced) {
  std::string path = testing::TempDir() + "/retake-status-" + std::to_string(getpid());
  ASSERT_TRUE(WriteStatusFile(path, {.verb = "replay", .exit_status = 3}).ok());
  ASSERT_TRUE(WriteStatusFile(path, {.verb = "replay", .signal = 9}).ok());
  std::ifstream file(path);
  nlohmann::json json = nlohmann::json::parse(file);
  EXPECT_EQ(json["signal"], 9);
  EXPECT_EQ(json["complete"], true);
  EXPECT_FALSE(json.contains("exit_status"));
  ASSERT_TRUE(WriteStatusFile(path, {.verb = "replay", .kind = "failed", .message = "\xff"}).ok());
  std::ifstream failed(path);
  json = nlohmann::json::parse(failed);
  EXPECT_EQ(json["complete"], false);
  EXPECT_EQ(json["kind"], "failed");
  EXPECT_NE(access((path + ".new").c_str(), F_OK), 0);
  unlink(path.c_str());
  EXPECT_FALSE(WriteStatusFile("/proc/nowhere/x", {.verb = "replay"}).ok());
  EXPECT_TRUE(WriteStatusFile("", {.verb = "replay"}).ok());
}

TEST(Describe, SizesAndEnds) {
  EXPECT_EQ(DescribeSize(0), "0 B");
  EXPECT_EQ(DescribeSize(1023), "1023 B");
  EXPECT_EQ(DescribeSize(1536), "1.5 KiB");
  EXPECT_EQ(DescribeSize(uint64_t{5} << 40), "5.0 TiB");
  EXPECT_EQ(DescribeWaitStatus(3 << 8), "exited 3");
  EXPECT_EQ(DescribeWaitStatus(9), "SIGKILL");
  EXPECT_EQ(DescribeWaitStatus(11 | 0x80), "SIGSEGV, core dumped");
  TraceManifest manifest;
  EXPECT_EQ(DescribeEnd(manifest, std::nullopt), "unfinished");
  EXPECT_EQ(DescribeEnd(manifest, true), "recording");
  EXPECT_EQ(DescribeEnd(manifest, false), "cut short");
  manifest.end = TraceEnd::kComplete;
  manifest.wait_status = 0;
  EXPECT_EQ(DescribeEnd(manifest), "exited 0");
  manifest.end = TraceEnd::kStopped;
  EXPECT_EQ(DescribeEnd(manifest), "stopped");
}

TEST(Describe, CommandsCanBeTypedAndHarmNoTerminal) {
  EXPECT_EQ(DescribeCommand({"ls", "-la", "a b", "", "it's"}), "ls -la 'a b' '' 'it'\\''s'");
  EXPECT_EQ(DescribeCommand({"x\x1b[31m"}), "'x?[31m'");
}

TEST(Describe, SignalsAreNumberedAsTheKernelDoes) {
  EXPECT_EQ(SignalName(17), "SIGCHLD");
  EXPECT_EQ(SignalName(32), "SIGRTMIN");
  EXPECT_EQ(SignalName(34), "SIGRTMIN+2");
  EXPECT_EQ(SignalName(99), "signal 99");
}

}  // namespace
}  // namespace retake
