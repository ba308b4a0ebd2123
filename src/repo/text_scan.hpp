#pragma once
// Finds the first byte of a text that needs attention, eight bytes at a time. Inside of repo only.
#include <bit>

#include "base/bytes.hpp"

namespace holdfast::repo {

// Both are called per string of a tree, which are a few bytes to a few hundred long.
// Bit tricks: the lowest marked byte is exact, bytes above it may be marked wrongly.
constexpr std::uint64_t each_byte(std::uint8_t byte) {
  return 0x0101010101010101ULL * byte;
}
constexpr std::uint64_t bytes_equal(std::uint64_t word, std::uint8_t byte) {
  const std::uint64_t difference = word ^ each_byte(byte);
  return (difference - each_byte(1)) & ~difference & each_byte(0x80);
}
constexpr std::uint64_t bytes_below(std::uint64_t word, std::uint8_t bound) {
  return (word - each_byte(bound)) & ~word & each_byte(0x80);
}

// Offset (from `at`) of the first byte that Mark marks, or text.size(). Mark maps eight bytes,
// the first lowest, to a word with the top bit of the marked bytes set.
template <class Mark>
std::size_t find_marked(std::string_view text, std::size_t at, Mark mark) {
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t marked = mark(word);
    if (marked != 0) return at + static_cast<std::size_t>(std::countr_zero(marked)) / 8;
  }
  if (at == text.size()) return at;
  std::uint64_t word = each_byte('a');  // never marked
  std::memcpy(&word, text.data() + at, text.size() - at);
  const std::uint64_t marked = mark(word);
  return marked != 0 ? at + static_cast<std::size_t>(std::countr_zero(marked)) / 8 : text.size();
}

// The end of the plain ASCII part of a JSON string: a quote, backslash, control or non-ASCII byte.
inline std::size_t find_string_break(std::string_view text, std::size_t at) {
  return find_marked(text, at, [](std::uint64_t word) {
    return bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_below(word, 0x20) |
           (word & each_byte(0x80));
  });
}

// The first byte that Go's encoder would escape or has to look at: as above and < > &.
inline std::size_t find_escape(std::string_view text, std::size_t at) {
  return find_marked(text, at, [](std::uint64_t word) {
    return bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_below(word, 0x20) |
           bytes_equal(word, '<') | bytes_equal(word, '>') | bytes_equal(word, '&') |
           (word & each_byte(0x80));
  });
}

}  // namespace holdfast::repo
