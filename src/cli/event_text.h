// Events as people read them: lines like those of `strace -f`.
//
// A decoder of calls needs the memory that the arguments point into. An event holds what the kernel
// wrote and what the recorder kept of the inputs; EventMemory makes one memory of the two.
#ifndef RETAKE_CLI_EVENT_TEXT_H_
#define RETAKE_CLI_EVENT_TEXT_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "arch/arch.h"
#include "base/readable_memory.h"
#include "replay/event.h"
#include "replay/trace.h"
#include "syscalls/table.h"

namespace retake {

// What an event tells of its task's memory: its writes, and under them its previews. `event` must
// outlive it.
class EventMemory : public ReadableMemory {
 public:
  explicit EventMemory(const Event& event) : event_(event) {}
  size_t ReadSome(uint64_t address, void* buffer, size_t size) const override;

 private:
  const Event& event_;
};

// Describes the events of a trace one after the other. Carries what a later event's line needs of
// earlier ones: the pids, and the calls that were entered and not yet completed.
class EventDescriber {
 public:
  // `trace` must outlive it.
  explicit EventDescriber(TraceReader& trace) : trace_(trace) {}

  // A line, without its end.
  std::string Text(const Event& event);
  nlohmann::ordered_json Json(const Event& event);

 private:
  struct Entered {
    Registers registers;
    Event previews;
  };

  // Takes in what later events need; called once per event, before it is described.
  void Learn(const Event& event);
  int PidOf(TaskId task) const;
  std::string Body(const Event& event);
  std::string CallText(const Event& event);
  Call CallOf(const Event& event, const Registers& entry, const ReadableMemory& memory) const;
  std::string ExecText(const Event& event);

  TraceReader& trace_;
  std::map<TaskId, int> pids_;
  std::map<TaskId, Entered> entered_;
};

}  // namespace retake

#endif  // RETAKE_CLI_EVENT_TEXT_H_
