#pragma once
// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::bson {

// Length of the well-formed sequence at the start of `text`; 0 when there is none.
// REQUIRES: text is not empty.
std::size_t utf8_sequence_bytes(std::string_view text);

void append_utf8(std::uint32_t code_point, std::string& to);

}  // namespace holdfast::bson
