// Where aarch64 code reads the counter: every instruction is an aligned word, and as data between
// functions such a word would be a rare number indeed.
#include <cstring>

#include "arch/aarch64/counter_reads.h"
#include "arch/code.h"

namespace retake::machine {

using namespace aarch64;

std::vector<TrapSite> FindTrapSites(ByteSpan code, const FunctionStart&) {
  std::vector<TrapSite> sites;
  uint32_t insn;
  for (size_t at = 0; at + sizeof insn <= code.size(); at += sizeof insn) {
    memcpy(&insn, code.data() + at, sizeof insn);
    auto trap = TrapFor(insn);
    if (!trap) continue;
    TrapSite site{at, TrapKind::kTimestamp, sizeof insn, {}, {}};
    memcpy(site.original.data(), &insn, sizeof insn);
    memcpy(site.trap.data(), &*trap, sizeof *trap);
    sites.push_back(site);
  }
  return sites;
}

// Words are what they are, wherever execution begins.
std::vector<TrapSite> FindTrapSitesFrom(ByteSpan code, size_t) {
  return FindTrapSites(code, FunctionStart());
}

}  // namespace retake::machine
