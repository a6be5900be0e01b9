// Code that makes calls in a task that isn't ours, and that puts the task back by itself: each way
// through it, whoever watches or has ceased to, ends at the task's own next instruction with its
// own registers and signal mask. It is written over unused bytes of the task's vDSO, with the table
// at its end filled in (machine::InjectTable).
//
// Behind the calls it sends itself a signal that the task ignores: a stop for who traces it, and
// nothing at all where nobody does.
//
// Nothing here touches the stack or the flags. A branch to anywhere needs a register: x17, which
// the procedure call standard gives to veneers, is lost where the tracer has died, and only then.
#define SYS_exit_group 94
#define SYS_tgkill 131
#define SYS_rt_sigprocmask 135
#define SYS_munmap 215
#define SYS_wait4 260
#define SIG_SETMASK 2
#define SIGSET_BYTES 8
#define __WALL 0x40000000

// struct BatchCall of stub/layout.h.
#define CALL_NUMBER 0
#define CALL_ARGUMENT(n) (8 + 8 * n)
#define CALL_RESULT 56
#define CALL_BYTES 64

    .section .rodata.retake_inject, "a", %progbits
    .globl retake_inject_begin, retake_inject_end, retake_inject_call, retake_inject_batch
    .globl retake_inject_clone, retake_inject_stopped, retake_inject_table
    .hidden retake_inject_begin, retake_inject_end, retake_inject_call, retake_inject_batch
    .hidden retake_inject_clone, retake_inject_stopped, retake_inject_table

    .balign 16
retake_inject_begin:

// One call with the registers as they are; its result is in x19 at the stop.
retake_inject_call:
    svc #0
    mov x19, x0
    b stop

// The calls at x21, as many as x20 says.
retake_inject_batch:
    cbz x20, stop
    ldr x8, [x21, #CALL_NUMBER]
    ldp x0, x1, [x21, #CALL_ARGUMENT(0)]
    ldp x2, x3, [x21, #CALL_ARGUMENT(2)]
    ldp x4, x5, [x21, #CALL_ARGUMENT(4)]
    svc #0
    str x0, [x21, #CALL_RESULT]
    add x21, x21, #CALL_BYTES
    sub x20, x20, #1
    b retake_inject_batch

// One clone that makes a helper in the same memory. If nobody holds the helper, it ends; the task
// reaps it, whatever ended it.
retake_inject_clone:
    svc #0
    mov x19, x0
    cbz x0, helper
    tbnz x0, #63, stop
    mov x1, #0
    mov x2, #__WALL
    mov x3, #0
    mov x8, #SYS_wait4
    svc #0
    b stop
helper:
    mov x0, #0
    mov x8, #SYS_exit_group
    svc #0

stop:
    ldr x0, table_pid
    ldr x1, table_tid
    ldr x2, table_stop_signal
    mov x8, #SYS_tgkill
    svc #0
retake_inject_stopped:
    ldr x0, table_scratch
    ldr x1, table_scratch_size
    mov x8, #SYS_munmap
    svc #0
    mov x0, #SIG_SETMASK
    adr x1, table_mask
    mov x2, #0
    mov x3, #SIGSET_BYTES
    mov x8, #SYS_rt_sigprocmask
    svc #0
    adr x17, table_registers
    ldp x0, x1, [x17, #0]
    ldp x2, x3, [x17, #16]
    ldp x4, x5, [x17, #32]
    ldp x6, x7, [x17, #48]
    ldp x8, x9, [x17, #64]
    ldp x10, x11, [x17, #80]
    ldp x12, x13, [x17, #96]
    ldp x14, x15, [x17, #112]
    ldr x16, [x17, #128]
    ldp x18, x19, [x17, #144]
    ldp x20, x21, [x17, #160]
    ldp x22, x23, [x17, #176]
    ldp x24, x25, [x17, #192]
    ldp x26, x27, [x17, #208]
    ldp x28, x29, [x17, #224]
    ldr x30, [x17, #240]
    ldr x17, table_pc
    br x17

    .balign 8
// x0 .. x30 in the order of struct user_pt_regs.
retake_inject_table:
table_registers:
    .fill 31, 8, 0
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

    .section .note.GNU-stack, "", %progbits
