#pragma once
// File names as trees store them: any bytes, quoted to text and back
// (docs/repository_format.md A9 "Name quoting"), and which of them may be restored.
#include "base/bytes.hpp"

namespace holdfast::repo {

// Appends the quoted form (no quotation marks around it). Total: every byte string has one.
void append_quoted_name(std::string_view raw, std::string& out);
std::string quote_name(std::string_view raw);

// Undoes quoting. Accepts all escapes of Go (octal, upper-case hex); `malformed` otherwise.
Result<std::string> unquote_name(std::string_view quoted);

enum class NameFlaw : std::uint8_t { none, empty, dot, dot_dot, slash, nul };

// Whether a raw name can be one component of a path. Anything but `none` must never be restored.
NameFlaw name_flaw(std::string_view raw);
std::string_view describe(NameFlaw flaw);

// How many of the first bytes form one valid UTF-8 code point; 0 when they do not (the first
// byte then stands alone). REQUIRES: text not empty. `code_point` is set when the result is > 0.
std::size_t decode_utf8(std::string_view text, char32_t& code_point);
// REQUIRES: a code point below 0x110000, no surrogate.
void append_utf8(char32_t code_point, std::string& out);
bool is_valid_utf8(std::string_view text);

}  // namespace holdfast::repo
