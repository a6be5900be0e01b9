// The clocks that count from the machine's start (CLOCK_MONOTONIC, CLOCK_BOOTTIME). Programs
// remember times on them, and sleep until one; so they go on in a restored tree, after a reboot and
// on another machine too: in a time namespace (time_namespaces(7)) in which they are shifted.
#ifndef RETAKE_SNAPSHOT_MACHINE_CLOCKS_H_
#define RETAKE_SNAPSHOT_MACHINE_CLOCKS_H_

#include <sys/types.h>

#include <span>

#include "base/result.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

// Notes what a tree's clocks show, `root` being its first process and `pids` all that live: after
// its open files, whose times on these clocks were read on ours. Names who has others.
void CaptureClocks(pid_t root, std::span<const pid_t> pids, CheckpointImage& image);

// How far the image's tree must see the clocks ahead of the machine's: as far as it did, or, if the
// machine was started anew or is another one, by what CLOCK_REALTIME says has passed since.
ClockShift WantedShift(const CheckpointImage& image);

// From here on this process, which has one thread, and its children see the clocks shifted so. If
// that isn't allowed, they go on as they are, and it says what that means.
Result<std::string> EnterClocks(const ClockShift& wanted);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_MACHINE_CLOCKS_H_
