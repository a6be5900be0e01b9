// Whether a task is confined by Landlock. The kernel tells nobody of that, but one that is may not
// look at processes that are confined less: so it is asked, by a call of its own, for something of
// a process of ours that it could look at otherwise.
#ifndef RETAKE_SNAPSHOT_LANDLOCK_H_
#define RETAKE_SNAPSHOT_LANDLOCK_H_

#include <map>
#include <tuple>

#include "snapshot/checkpoint_image.h"
#include "snapshot/injection.h"

namespace retake {

class LandlockProbe {
 public:
  LandlockProbe() = default;
  LandlockProbe(const LandlockProbe&) = delete;
  LandlockProbe& operator=(const LandlockProbe&) = delete;
  ~LandlockProbe();

  // Names it, and where it can't be known. A batch of calls of its own.
  Status Ask(pid_t tid, const Credentials& credentials, Injection& injection, Losses& losses);

 private:
  using Rights = std::tuple<uint32_t, uint32_t, uint64_t>;  // user, group, capabilities

  // A process with no more rights than that; 0: there can be none.
  pid_t HelperWith(const Rights& rights);

  std::map<Rights, pid_t> helpers_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_LANDLOCK_H_
