#pragma once
// Reads JSON tokens (RFC 8259) from text somebody else owns; every error names the offset.
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace holdfast::bson {

// One thread. Tokens are read after skipping white space.
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : text_(text) {}

  // Next character that is not white space, without taking it; 0 at the end.
  char peek();
  // Takes `symbol` if it is next.
  bool take(char symbol);
  Result<void> expect(char symbol);
  Result<void> expect_word(std::string_view word);
  Result<void> expect_end();
  Result<std::string> string();
  Result<std::string_view> number();

  tl::unexpected<Error> wrong(std::string_view what) const { return wrong_at(at_, what); }

 private:
  tl::unexpected<Error> wrong_at(std::size_t at, std::string_view what) const;
  void skip_space();
  void skip_digits();
  Result<void> escape(std::string& to);
  Result<std::uint32_t> code_unit();
  Result<std::uint32_t> code_point();

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace holdfast::bson
