// Code that makes calls in a task that isn't ours, and that puts the task back by itself: each way
// through it, whoever watches or has ceased to, ends at the task's own next instruction with its
// own registers and signal mask. It is written over unused bytes of the task's vDSO, with the table
// at its end filled in (machine::InjectTable).
//
// Behind the calls it sends itself a signal that the task ignores: a stop for who traces it, and
// nothing at all where nobody does.
//
// Nothing here touches the stack or the flags: both are the task's own, at any instant.
#define SYS_munmap 11
#define SYS_rt_sigprocmask 14
#define SYS_wait4 61
#define SYS_exit_group 231
#define SYS_tgkill 234
#define SIG_SETMASK 2
#define SIGSET_BYTES 8
#define __WALL 0x40000000

// struct BatchCall of stub/layout.h.
#define CALL_NUMBER 0
#define CALL_ARGUMENT(n) (8 + 8 * n)
#define CALL_RESULT 56
#define CALL_BYTES 64

    .section .rodata.retake_inject, "a", @progbits
    .globl retake_inject_begin, retake_inject_end, retake_inject_call, retake_inject_batch
    .globl retake_inject_clone, retake_inject_stopped, retake_inject_table
    .hidden retake_inject_begin, retake_inject_end, retake_inject_call, retake_inject_batch
    .hidden retake_inject_clone, retake_inject_stopped, retake_inject_table

    .balign 16
retake_inject_begin:

// One call with the registers as they are; its result is in r15 at the stop.
retake_inject_call:
    syscall
    mov %rax, %r15
    jmp stop

// The calls at rbx, as many as r12 says.
retake_inject_batch:
    mov %r12, %rcx
    jrcxz stop
    mov CALL_NUMBER(%rbx), %rax
    mov CALL_ARGUMENT(0)(%rbx), %rdi
    mov CALL_ARGUMENT(1)(%rbx), %rsi
    mov CALL_ARGUMENT(2)(%rbx), %rdx
    mov CALL_ARGUMENT(3)(%rbx), %r10
    mov CALL_ARGUMENT(4)(%rbx), %r8
    mov CALL_ARGUMENT(5)(%rbx), %r9
    syscall
    mov %rax, CALL_RESULT(%rbx)
    lea CALL_BYTES(%rbx), %rbx
    lea -1(%r12), %r12
    jmp retake_inject_batch

// One clone that makes a helper in the same memory. If nobody holds the helper, it ends; the task
// reaps it, whatever ended it.
retake_inject_clone:
    syscall
    mov %rax, %r15
    mov %rax, %rcx
    jrcxz helper
    // The sign, without a flag being touched.
    bswap %rcx
    movzbl %cl, %ecx
    jrcxz reap
    jmp stop
reap:
    mov %r15, %rdi
    mov $0, %esi
    mov $__WALL, %edx
    mov $0, %r10d
    mov $SYS_wait4, %eax
    syscall
    jmp stop
helper:
    mov $0, %edi
    mov $SYS_exit_group, %eax
    syscall

stop:
    mov table_pid(%rip), %rdi
    mov table_tid(%rip), %rsi
    mov table_stop_signal(%rip), %rdx
    mov $SYS_tgkill, %eax
    syscall
retake_inject_stopped:
    mov table_scratch(%rip), %rdi
    mov table_scratch_size(%rip), %rsi
    mov $SYS_munmap, %eax
    syscall
    mov $SIG_SETMASK, %edi
    lea table_mask(%rip), %rsi
    mov $0, %edx
    mov $SIGSET_BYTES, %r10d
    mov $SYS_rt_sigprocmask, %eax
    syscall
    mov table_registers + 0(%rip), %r15
    mov table_registers + 8(%rip), %r14
    mov table_registers + 16(%rip), %r13
    mov table_registers + 24(%rip), %r12
    mov table_registers + 32(%rip), %rbp
    mov table_registers + 40(%rip), %rbx
    mov table_registers + 48(%rip), %r11
    mov table_registers + 56(%rip), %r10
    mov table_registers + 64(%rip), %r9
    mov table_registers + 72(%rip), %r8
    mov table_registers + 80(%rip), %rax
    mov table_registers + 88(%rip), %rcx
    mov table_registers + 96(%rip), %rdx
    mov table_registers + 104(%rip), %rsi
    mov table_registers + 112(%rip), %rdi
    jmp *table_pc(%rip)

    .balign 8
// r15 .. rdi in the order of struct user_regs_struct.
retake_inject_table:
table_registers:
    .fill 15, 8, 0
table_pc:
    .quad 0
table_mask:
    .quad 0
table_scratch:
    .quad 0
table_scratch_size:
    .quad 0
table_pid:
    .quad 0
table_tid:
    .quad 0
table_stop_signal:
    .quad 0
retake_inject_end:

    .section .note.GNU-stack, "", @progbits
