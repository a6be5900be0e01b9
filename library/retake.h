/* retake.h: for programs that ask for their own checkpoint. C and C++; link with libretake.a.
 *
 *   int outcome = retake_checkpoint("/var/tmp/job.checkpoint", NULL);
 *   if (outcome == RETAKE_RESTORED) reconnect();
 *
 * The command `retake` does the work, as if somebody else had run it: it is looked for in PATH, or
 * is what the environment variable RETAKE_COMMAND says. What it has to say goes to standard error.
 */
#ifndef RETAKE_LIBRARY_RETAKE_H_
#define RETAKE_LIBRARY_RETAKE_H_

#ifdef __cplusplus
extern "C" {
#endif

enum {
  RETAKE_WRITTEN = 0,  /* the checkpoint is whole, and this is the process that it was taken of */
  RETAKE_RESTORED = 1, /* this process has been restored from it */
};

/* Has a checkpoint taken of the calling process, its threads and its descendants, and written to
 * `path`; returns once for the process itself, and once in each that is restored from it.
 *
 * `options` may be null, or point to further options of `retake checkpoint`, the last followed by a
 * null pointer: {"--compress", "none", NULL}. With "--leave killed" there is no return but in what
 * is restored.
 *
 * Returns RETAKE_WRITTEN, RETAKE_RESTORED, or -1 with errno, and then nothing has been written:
 * EOPNOTSUPP if something would be lost, ENOENT if there is no command `retake` (or no directory
 * for the file), EBUSY if another thread is in this function, EIO if the command ended before it
 * was done, else what the kernel said.
 *
 * In a restored process the environment variable RETAKE_IMAGE is set to the file that it has been
 * restored from. (setenv(3) is no friend of threads that read the environment meanwhile.) */
int retake_checkpoint(const char* path, const char* const* options);

/* The file that this process has been restored from, at its last retake_checkpoint(); null in one
 * that hasn't been. It stays valid until the next call of retake_checkpoint(). */
const char* retake_image(void);

#ifdef __cplusplus
}
#endif

#endif /* RETAKE_LIBRARY_RETAKE_H_ */
