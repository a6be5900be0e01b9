// What is written over the code of a dynamic loader before it runs (machine::LoaderPatches), found
// by looking through what a program maps.
#ifndef RETAKE_SUPERVISOR_LOADER_PATCHES_H_
#define RETAKE_SUPERVISOR_LOADER_PATCHES_H_

#include <vector>

#include "arch/arch.h"
#include "base/result.h"
#include "tracee/code_notes.h"
#include "tracee/maps.h"
#include "tracee/memory.h"

namespace retake {

// None where the mapping isn't a loader's code. `notes` may be null. Errors: no memory.
Result<std::vector<Patch>> LoaderPatchesOf(const TaskMemory& memory, const Mapping& mapping,
                                           CodeNotes* notes);

}  // namespace retake

#endif  // RETAKE_SUPERVISOR_LOADER_PATCHES_H_
