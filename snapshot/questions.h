// What only a task itself can tell of itself or its process: asked by calls made in its name, all
// of them in one batch (snapshot/injection.h).
#ifndef RETAKE_SNAPSHOT_QUESTIONS_H_
#define RETAKE_SNAPSHOT_QUESTIONS_H_

#include <span>
#include <vector>

#include "snapshot/checkpoint_image.h"
#include "snapshot/injection.h"
#include "snapshot/loss.h"
#include "tracee/proc_files.h"

namespace retake {

class TaskQuestions {
 public:
  // Adds the calls to the injection's next batch.
  explicit TaskQuestions(Injection& injection);
  // When they have been made. What can't be kept is added to `losses`.
  Status Answer(const Injection& injection, TaskState& out, Losses& losses) const;

 private:
  struct Attribute {
    size_t call;
    uint64_t room;  // 0: the answer is the call's result
  };
  void AnswerAttributes(const Injection& injection, TaskState& out, Losses& losses) const;

  size_t stack_call_, clear_call_, death_call_, policy_call_, securebits_call_;
  uint64_t stack_, clear_, death_, policy_, nodes_;
  std::vector<Attribute> attributes_;
};

class ProcessQuestions {
 public:
  // `status` is the process's; `timers` are its timers as far as can be told from outside.
  ProcessQuestions(Injection& injection, const ProcStatus& status,
                   std::span<const PosixTimer> timers);
  Status Answer(const Injection& injection, ProcessState& out) const;

 private:
  struct Action {
    int signal;
    size_t call;
    uint64_t room;
  };
  struct Timer {
    int which;
    size_t call;
    uint64_t room;
  };

  struct AskedTimer {
    PosixTimer timer;
    size_t call;
    uint64_t room;
  };

  std::vector<Action> actions_;
  std::vector<AskedTimer> posix_timers_;
  std::vector<Timer> timers_;
  size_t brk_, dumpable_, subreaper_call_, denied_, no_huge_, merges_, membarrier_;
  uint64_t subreaper_;
  std::vector<size_t> keys_;  // of protection keys, from 1
};

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_QUESTIONS_H_
