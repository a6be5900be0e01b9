// Result<T>: what every fallible call in retake returns.
//
// An Error carries an errno (0 where the failure isn't the kernel's), a sentence that says what was
// being done and on what, and the pid it was done to, if any. Exceptions cross no module; a Result
// can't be ignored ([[nodiscard]]).
//
//   Result<Fd> OpenTrace(...) {
//     Fd dir = TRY(OpenDirectory(path));     // passes the error up
//     TRY(CheckVersion(dir));                // Result<void>
//     return dir;
//   }
#ifndef RETAKE_BASE_RESULT_H_
#define RETAKE_BASE_RESULT_H_

#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <utility>
#include <variant>

namespace retake {

class [[nodiscard]] Error {
 public:
  Error(int code, std::string what, int pid = 0) : code_(code), pid_(pid), what_(std::move(what)) {}

  // The errno, or 0 where the failure is ours (damaged input, divergence, ...).
  int code() const { return code_; }
  // The task the failure concerns; 0 if none.
  int pid() const { return pid_; }
  const std::string& what() const { return what_; }
  // One sentence for people: what, the pid if any, the errno's text if any.
  std::string Message() const;

 private:
  int code_;
  int pid_;
  std::string what_;
};

// An error of the kernel's: takes errno at the call.
template <typename... Args>
Error ErrnoError(fmt::format_string<Args...> format, Args&&... args) {
  int saved = errno;
  return Error(saved, fmt::format(format, std::forward<Args>(args)...));
}

// An error of ours, with no errno.
template <typename... Args>
Error MakeError(fmt::format_string<Args...> format, Args&&... args) {
  return Error(0, fmt::format(format, std::forward<Args>(args)...));
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return std::get<1>(state_); }
  Error TakeError() { return std::get<1>(std::move(state_)); }
  T TakeValue() { return std::get<0>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error)
      : error_(std::move(error)), failed_(true) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const { return error_; }
  Error TakeError() { return std::move(error_); }
  void TakeValue() {}

 private:
  Error error_{0, {}};
  bool failed_ = false;
};

using Status = Result<void>;

// Evaluates to the value of a Result, or returns its error from the function around it.
#define TRY(expression)                                    \
  __extension__({                                          \
    auto retake_try_ = (expression);                       \
    if (!retake_try_.ok()) return retake_try_.TakeError(); \
    retake_try_.TakeValue();                               \
  })

}  // namespace retake

#endif  // RETAKE_BASE_RESULT_H_
