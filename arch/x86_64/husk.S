// The husk: the program that a replay or a restore starts, empties and fills. All it does is stop,
// in case nobody has emptied it yet. No libc, no interpreter, one page.
    .text
    .globl _start
_start:
    int3
    jmp _start

    .section .note.GNU-stack, "", @progbits
