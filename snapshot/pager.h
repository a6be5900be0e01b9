// Pager: gives a restored process its memory while it runs already, by userfaultfd(2).
//
// The process begins with nothing where most of its memory shall be. What it touches it waits for,
// its system calls too; the rest is put there in order, and then the pager ends. It knows what the
// process does to its mappings meanwhile, and serves the children that it makes.
//
// Two processes do it, so that nobody ever sees zeros where something should be: one puts the pages
// there, the other holds the same descriptors, and ends the program with a sentence should the
// first one fail (the file is damaged, or it was killed).
//
// It takes a kernel that lets such faults be served within system calls and tells of forks:
// CAP_SYS_PTRACE.
#ifndef RETAKE_SNAPSHOT_PAGER_H_
#define RETAKE_SNAPSHOT_PAGER_H_

#include <span>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

// What is given to a process later. Views of its state.
struct LazyMemory {
  std::vector<const MemoryRegion*> regions;       // whole mappings
  std::vector<std::span<const PageRange>> pages;  // all in them, ascending; none of zeros
};

// What of a process may come later: private memory without a file, where enough of it is touched to
// be worth it. The rest of `pages` is in `at_once`.
LazyMemory ChooseLazyMemory(const ProcessState& state, std::vector<PageRange>& at_once);

class Pager {
 public:
  // Nothing: the kernel doesn't let it be. `userfaultfd` is the process's, new.
  static bool MayServe(const Fd& userfaultfd);

  // Begins to serve; until Commit(), only as long as we live. `reader` may be used on here. With
  // `speaks`, it keeps standard error open to say there what fails.
  static Result<Pager> Start(Fd userfaultfd, LazyMemory memory, CheckpointReader& reader, pid_t pid,
                             bool speaks);
  // From now on until all is there.
  void Commit();

 private:
  Fd lifeline_;
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_PAGER_H_
