// What the tests of traces share: a scratch directory with its own cache and store, random events
// and images, and a small trace to damage.
#ifndef RETAKE_TESTS_UNIT_REPLAY_TRACE_TESTING_H_
#define RETAKE_TESTS_UNIT_REPLAY_TRACE_TESTING_H_

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "replay/event.h"
#include "replay/trace.h"
#include "snapshot/image.h"

namespace retake {

// Fails the test with the error's sentence.
#define ASSERT_OK(expression)                                     \
  do {                                                            \
    const auto& assert_ok_ = (expression);                        \
    ASSERT_TRUE(assert_ok_.ok()) << assert_ok_.error().Message(); \
  } while (false)

// A test with a directory of its own, which also holds the cache and the store while it runs.
class TraceTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  const std::string& scratch() const { return scratch_; }
  std::string Path(const std::string& name) const { return scratch_ + "/" + name; }
  // Makes an empty directory for a trace.
  std::string NewDirectory(const std::string& name) const;

 private:
  std::string scratch_;
};

void WriteFile(const std::string& path, const std::string& contents);
std::string ReadFile(const std::string& path);
// Sets the file's mtime to a minute ago, and waits until its ctime is old enough for the cache.
void Settle(const std::string& path);

// A manifest's text with the checksum that it should have.
std::string ReplaceManifestChecksum(const std::string& text);

TraceManifest SmallManifest(ArchId arch = ArchId::kX86_64);
Event RandomEvent(std::mt19937_64& random, const ArchDescription& arch);
Image RandomImage(std::mt19937_64& random, const ArchDescription& arch);

// Events of a trace, up to its end, and how it ended.
struct ReadBack {
  std::vector<Event> events;
  TraceReader::Next end = TraceReader::Next::kEvent;
  std::string cut_reason;
};
Result<ReadBack> ReadAll(TraceReader& reader);

// Writes a trace of two objects, an image and `events` random events, several to a section;
// returns the events as written.
Result<std::vector<Event>> WriteSmallTrace(const std::string& directory, int events,
                                           ArchId arch = ArchId::kX86_64, bool finish = true);

}  // namespace retake

#endif  // RETAKE_TESTS_UNIT_REPLAY_TRACE_TESTING_H_
