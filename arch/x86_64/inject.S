// Code that makes a call in a task that isn't ours, and that puts the task back by itself: each way
// through it, whoever watches or has ceased to, ends at the task's own next instruction with its
// own registers and signal mask. It is written over unused bytes of the task's vDSO, with the table
// at its end filled in (machine::InjectTable).
//
// Nothing here touches the stack or the flags: both are the task's own, at any instant.
#define SYS_munmap 11
#define SYS_rt_sigprocmask 14
#define SIG_SETMASK 2
#define SIGSET_BYTES 8

    .section .rodata.retake_inject, "a", @progbits
    .globl retake_inject_begin, retake_inject_end, retake_inject_call
    .globl retake_inject_table
    .hidden retake_inject_begin, retake_inject_end, retake_inject_call
    .hidden retake_inject_table

    .balign 16
retake_inject_begin:

// One call with the registers as they are.
retake_inject_call:
    syscall
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
retake_inject_end:

    .section .note.GNU-stack, "", @progbits
