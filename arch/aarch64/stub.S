// The stub page's code on aarch64: position-independent, uses no stack, clobbers registers at will
// (the supervisor saves and restores them). It is data of retake's own binary: Stub() gives these
// bytes to be copied into traced processes.
//
// The page is mapped at kStubAddress and the batch lies kStubCodeSize behind it (stub/layout.h,
// which may not be included from here; a test runs this code against that layout). A break is
// reported with pc at the brk itself.
#define STUB_CODE_SIZE 0x10000
#define BATCH_COUNT 0
#define BATCH_DONE 8
#define BATCH_CALLS 16
#define CALL_NUMBER 0
#define CALL_ARGS 8
#define CALL_RESULT 56
#define CALL_SIZE 64

    .section .rodata.retake_stub, "a", %progbits
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
    svc #0
retake_stub_syscall_break:
    brk #0
    b retake_stub_syscall_break

// The calls of the batch in order, until its count or a call numbered ~0.
retake_stub_batch:
    adr x19, retake_stub_begin
    add x19, x19, #STUB_CODE_SIZE
    add x20, x19, #BATCH_CALLS
    mov x21, #0
    str x21, [x19, #BATCH_DONE]
1:
    ldr x9, [x19, #BATCH_COUNT]
    cmp x21, x9
    b.hs retake_stub_batch_break
    ldr x8, [x20, #CALL_NUMBER]
    cmn x8, #1
    b.eq retake_stub_batch_break
    ldp x0, x1, [x20, #CALL_ARGS]
    ldp x2, x3, [x20, #CALL_ARGS + 16]
    ldp x4, x5, [x20, #CALL_ARGS + 32]
    svc #0
    str x0, [x20, #CALL_RESULT]
    add x20, x20, #CALL_SIZE
    add x21, x21, #1
    str x21, [x19, #BATCH_DONE]
    b 1b
retake_stub_batch_break:
    brk #0
    b retake_stub_batch_break
    .balign 16
retake_stub_end:

    .section .note.GNU-stack, "", %progbits
