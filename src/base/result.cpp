#include "base/result.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace holdfast {
namespace {

struct ErrorRow {
  std::string_view name;
  int exit_status;
  RetryClass retry;
  std::string_view remedy;
};

constexpr ErrorRow error_rows[] = {
#define HOLDFAST_ERROR(name, exit_status, retry, remedy) \
  {#name, exit_status, RetryClass::retry, remedy},
#include "base/errors.def"
#undef HOLDFAST_ERROR
};

const ErrorRow& row_of(ErrorCode code) {
  return error_rows[static_cast<std::size_t>(code)];
}

ErrorCode code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::not_found;
    case EEXIST:
      return ErrorCode::exists;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::store_full;
    default:
      return ErrorCode::io;
  }
}

}  // namespace

std::string_view name_of(ErrorCode code) {
  return row_of(code).name;
}
int exit_status_of(ErrorCode code) {
  return row_of(code).exit_status;
}
RetryClass retry_class_of(ErrorCode code) {
  return row_of(code).retry;
}
std::string_view remedy_of(ErrorCode code) {
  return row_of(code).remedy;
}

std::string describe(const Error& error) {
  if (error.trail.empty()) return error.message;
  return fmt::format("{} (while {})", error.message, fmt::join(error.trail, ", while "));
}

tl::unexpected<Error> fail_errno(std::string_view doing, int error_number,
                                 std::source_location where) {
  return fail(code_of_errno(error_number),
              fmt::format("{}: {}", doing, std::strerror(error_number)), where);
}

}  // namespace holdfast
