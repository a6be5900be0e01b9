// Calls made in a computing task's name leave no trace in its registers.
#include "tracee/remote_calls.h"

#include <gtest/gtest.h>

#include <vector>

#include "arch/code.h"
#include "arch_code.h"
#include "tests/unit/tracee/traced_child.h"

namespace retake {
namespace {

std::vector<uint8_t> VectorOf(const TracedChild& child) {
  std::vector<uint8_t> state;
  EXPECT_TRUE(ptracer::GetVector(child.pid(), state).ok());
  machine::MakeVectorComparable(state);
  return state;
}

TEST(RemoteCalls, VectorRegistersAreKept) {
  TracedChild child([]() -> int { HoldVectorRegisters(); });
  child.Stop(10'000);
  std::vector<uint8_t> before = VectorOf(child);
  child.InstallStub();
  EXPECT_EQ(VectorOf(child), before);
  RemoteCalls calls(child.pid(), child.memory(), child.registers());
  for (int i = 0; i < 3; ++i) {
    auto pid = calls.Call(MakeCall(Sys::getpid));
    ASSERT_TRUE(pid.ok());
    EXPECT_EQ(*pid, static_cast<uint64_t>(child.pid()));
  }
  EXPECT_EQ(VectorOf(child), before);
}

}  // namespace
}  // namespace retake
