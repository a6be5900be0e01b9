// Files that a checkpoint holds itself (--self-contained), so that it can be restored where they
// have changed or are gone.
//
// These are the mapped files that no process writes to, executables and libraries above all, and
// with --files rewind all mapped and open regular files.
#ifndef RETAKE_SNAPSHOT_KEPT_FILES_H_
#define RETAKE_SNAPSHOT_KEPT_FILES_H_

#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "snapshot/checkpoint_file.h"
#include "snapshot/checkpoint_image.h"

namespace retake {

// kWritten: those that processes of the image may write to, which are kept while these stand still.
enum class FilesToKeep : uint8_t { kWritten, kRead };

// Adds the contents of such files to the checkpoint. Errors: a file that can't be read, or that is
// not what it was when the processes were stopped.
Status KeepFiles(FilesToKeep which, CheckpointImage& image, CheckpointWriter& writer);

// A file without a name, in memory, that holds what `file` did. Nothing of the checkpoint is
// believed: what is damaged is an error.
Result<Fd> CopyOfKept(const NamedFile& file, CheckpointReader& checkpoint);

// Makes the file at `path` hold again what it did, as `copy` has it; makes it if it is gone.
Status WriteBack(const NamedFile& file, int copy, const std::string& path);

}  // namespace retake

#endif  // RETAKE_SNAPSHOT_KEPT_FILES_H_
