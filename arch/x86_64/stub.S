// The stub page's code on x86_64: position-independent, uses no stack, clobbers registers at will
// (the supervisor saves and restores them). It is data of retake's own binary: Stub() gives these
// bytes to be copied into traced processes.
//
// The page is mapped at kStubAddress and the batch lies kStubCodeSize behind it (stub/layout.h,
// which may not be included from here; a test runs this code against that layout).
#define STUB_CODE_SIZE 0x10000
#define BATCH_COUNT 0
#define BATCH_DONE 8
#define BATCH_CALLS 16
#define CALL_NUMBER 0
#define CALL_ARGS 8
#define CALL_RESULT 56
#define CALL_SIZE 64

    .section .rodata.retake_stub, "a", @progbits
    .globl retake_stub_begin, retake_stub_end
    .globl retake_stub_batch, retake_stub_batch_break
    .globl retake_stub_syscall, retake_stub_syscall_break
    .hidden retake_stub_begin, retake_stub_end
    .hidden retake_stub_batch, retake_stub_batch_break
    .hidden retake_stub_syscall, retake_stub_syscall_break

    .balign 16
retake_stub_begin:

// One call with the registers as they are.
retake_stub_syscall:
    syscall
    int3
retake_stub_syscall_break:

    .balign 16, 0xcc
// The calls of the batch in order, until its count or a call numbered ~0.
retake_stub_batch:
    lea retake_stub_begin + STUB_CODE_SIZE(%rip), %rbx
    lea BATCH_CALLS(%rbx), %rbp
    xor %r15d, %r15d
    mov %r15, BATCH_DONE(%rbx)
1:
    cmp BATCH_COUNT(%rbx), %r15
    jae 2f
    mov CALL_NUMBER(%rbp), %rax
    cmp $-1, %rax
    je 2f
    mov CALL_ARGS + 0(%rbp), %rdi
    mov CALL_ARGS + 8(%rbp), %rsi
    mov CALL_ARGS + 16(%rbp), %rdx
    mov CALL_ARGS + 24(%rbp), %r10
    mov CALL_ARGS + 32(%rbp), %r8
    mov CALL_ARGS + 40(%rbp), %r9
    syscall
    mov %rax, CALL_RESULT(%rbp)
    add $CALL_SIZE, %rbp
    inc %r15
    mov %r15, BATCH_DONE(%rbx)
    jmp 1b
2:
    int3
retake_stub_batch_break:
    // Nobody continues here; if someone does, break again rather than run into what follows.
    jmp 2b
    .balign 16, 0xcc
retake_stub_end:

    .section .note.GNU-stack, "", @progbits
