#pragma once
// Operating failures as values: Result<T> carries either a T or an Error from the closed list in
// errors.def. Bugs do not go through here (see check.hpp); what verification discovers is data.
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace holdfast {

enum class ErrorCode : std::uint8_t {
#define HOLDFAST_ERROR(name, exit_status, retry, remedy) name,
#include "base/errors.def"
#undef HOLDFAST_ERROR
};

// never: the same call fails again. backoff: may pass by waiting. after_operator: a person acts
// first.
enum class RetryClass : std::uint8_t { never, backoff, after_operator };

std::string_view name_of(ErrorCode code);
int exit_status_of(ErrorCode code);
RetryClass retry_class_of(ErrorCode code);
std::string_view remedy_of(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::failed;
  std::string message;  // lower case, no full stop: "pack 3f2a is shorter than its header says"
  std::vector<std::string> trail;  // what we were doing, innermost first
  std::source_location where;
};

// "message (while a, while b)": for logs and for a person.
std::string describe(const Error& error);

// A T or an Error. Dropping one does not compile. Value type; as thread-safe as T.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(tl::expected<T, Error>&& other) : tl::expected<T, Error>(std::move(other)) {}

  // Adds one line to the error's trail: `TRY(read(p).while_doing("reading the config"))`.
  Result<T> while_doing(std::string doing) && {
    if (!this->has_value()) this->error().trail.push_back(std::move(doing));
    return std::move(*this);
  }

  // The value, moved out; nothing for Result<void>. REQUIRES: has_value().
  T take() && {
    if constexpr (!std::is_void_v<T>) return std::move(**this);
  }
};

// `return fail(ErrorCode::corrupt, fmt::format("pack {} is short", id));`
inline tl::unexpected<Error> fail(ErrorCode code, std::string message,
                                  std::source_location where = std::source_location::current()) {
  return tl::unexpected<Error>(Error{code, std::move(message), {}, where});
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// `fail_errno("open /etc/x", errno)`: maps errno to the code (ENOENT not_found, ENOSPC
// store_full…).
tl::unexpected<Error> fail_errno(std::string_view doing, int error_number,
                                 std::source_location where = std::source_location::current());

// The value of a result that has one; nothing for Result<void>, whose tl::expected has no value().
template <class T>
T take_value(Result<T>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace holdfast

// Returns early with the error, else yields the value. Only as the whole initialiser, the whole
// operand of return, or a whole statement: elsewhere both compilers leak earlier temporaries
// (tools/tidy.py rejects the rest).
#define TRY(expression)                                                                    \
  __extension__({                                                                          \
    auto try_result_ = (expression);                                                       \
    if (!try_result_.has_value()) return ::holdfast::fail(std::move(try_result_.error())); \
    ::holdfast::take_value(std::move(try_result_));                                        \
  })
