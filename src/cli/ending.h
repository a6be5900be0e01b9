// How a verb that stands for a program ends: as the program did.
#ifndef RETAKE_CLI_ENDING_H_
#define RETAKE_CLI_ENDING_H_

namespace retake {

// Dies of `signal` as a program did, without leaving a core of retake's.
[[noreturn]] void DieOf(int signal);
// The exit status to give for a program that ended with this wait status; doesn't return if it died
// of a signal.
int EndAs(int wait_status);

}  // namespace retake

#endif  // RETAKE_CLI_ENDING_H_
