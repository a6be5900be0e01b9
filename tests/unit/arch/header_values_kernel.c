/* What the kernel's headers say of the architecture that this is compiled for; never run.
   cmake/HeaderValues.cmake reads the constants out of the assembly. */
#include <asm/fcntl.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/termbits.h>
#include <linux/audit.h>
#include <linux/elf-em.h>
#include <linux/eventpoll.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>
#include <stddef.h>

#define VALUE(name, value) \
  __asm__ volatile("\n.ascii \"->" #name " %0\"" ::"i"((unsigned long)(value)))

void values(void) {
  VALUE(stat_size, sizeof(struct stat));
  VALUE(statfs_size, sizeof(struct statfs));
  VALUE(epoll_event_size, sizeof(struct epoll_event));
  VALUE(ksigaction_size, sizeof(struct sigaction));
  VALUE(ksigaction_flags_offset, offsetof(struct sigaction, sa_flags));
  VALUE(ksigaction_mask_offset, offsetof(struct sigaction, sa_mask));
#ifdef SA_RESTORER
  VALUE(has_sa_restorer, offsetof(struct sigaction, sa_restorer) != 0);
#else
  VALUE(has_sa_restorer, 0);
#endif
  VALUE(flock_size, sizeof(struct flock));
  VALUE(termios_size, sizeof(struct termios));
  VALUE(utsname_size, sizeof(struct new_utsname));
  VALUE(rusage_size, sizeof(struct rusage));
  VALUE(sysinfo_size, sizeof(struct sysinfo));
  VALUE(stat_mode_offset, offsetof(struct stat, st_mode));
  VALUE(stat_rdev_offset, offsetof(struct stat, st_rdev));
  VALUE(o_directory, O_DIRECTORY);
  VALUE(o_nofollow, O_NOFOLLOW);
  VALUE(o_direct, O_DIRECT);
  VALUE(o_largefile, O_LARGEFILE);
#ifdef MAP_32BIT
  VALUE(map_32bit, MAP_32BIT);
#else
  VALUE(map_32bit, 0);
#endif
#ifdef __x86_64__
  VALUE(audit_arch, AUDIT_ARCH_X86_64);
  VALUE(elf_machine, EM_X86_64);
#else
  VALUE(audit_arch, AUDIT_ARCH_AARCH64);
  VALUE(elf_machine, EM_AARCH64);
#endif
  /* These must be the same everywhere: code outside arch/ uses them as they are. */
  VALUE(shared_stat_st_size_offset, offsetof(struct stat, st_size));
  VALUE(shared_O_ACCMODE, O_ACCMODE);
  VALUE(shared_O_CREAT, O_CREAT);
  VALUE(shared_O_EXCL, O_EXCL);
  VALUE(shared_O_NOCTTY, O_NOCTTY);
  VALUE(shared_O_TRUNC, O_TRUNC);
  VALUE(shared_O_APPEND, O_APPEND);
  VALUE(shared_O_NONBLOCK, O_NONBLOCK);
  VALUE(shared_O_SYNC, O_SYNC);
  VALUE(shared_O_DSYNC, O_DSYNC);
  VALUE(shared_FASYNC, FASYNC);
  VALUE(shared_O_NOATIME, O_NOATIME);
  VALUE(shared_O_CLOEXEC, O_CLOEXEC);
  VALUE(shared_O_PATH, O_PATH);
  VALUE(shared_MAP_SHARED, MAP_SHARED);
  VALUE(shared_MAP_PRIVATE, MAP_PRIVATE);
  VALUE(shared_MAP_FIXED, MAP_FIXED);
  VALUE(shared_MAP_ANONYMOUS, MAP_ANONYMOUS);
  VALUE(shared_MAP_GROWSDOWN, MAP_GROWSDOWN);
  VALUE(shared_MAP_FIXED_NOREPLACE, MAP_FIXED_NOREPLACE);
  VALUE(shared_SA_SIGINFO, SA_SIGINFO);
  VALUE(shared_SA_RESTART, SA_RESTART);
  VALUE(shared_SA_RESTORER, SA_RESTORER);
  VALUE(shared_SIGCHLD, SIGCHLD);
}
