/* As header_values_kernel.c, for what only libc's headers give a program. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define VALUE(name, value) __asm__ volatile("\n.ascii \"->" #name " %0\"" ::"i"((long)(value)))

void values(void) {
  VALUE(msghdr_size, sizeof(struct msghdr));
  /* What libc gives to the kernel must be what the kernel's own headers say. */
  VALUE(libc_stat_size, sizeof(struct stat));
  VALUE(libc_o_directory, O_DIRECTORY);
  VALUE(libc_o_nofollow, O_NOFOLLOW);
  VALUE(libc_o_direct, O_DIRECT);
  VALUE(shared_AT_FDCWD, AT_FDCWD);
  VALUE(shared_AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW);
  VALUE(shared_AT_SYMLINK_FOLLOW, AT_SYMLINK_FOLLOW);
  VALUE(shared_AT_REMOVEDIR, AT_REMOVEDIR);
  VALUE(shared_AT_EACCESS, AT_EACCESS);
  VALUE(shared_AT_EMPTY_PATH, AT_EMPTY_PATH);
  VALUE(shared_AT_NO_AUTOMOUNT, AT_NO_AUTOMOUNT);
}
