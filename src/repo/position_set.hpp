#pragma once
// A set of positions of a loaded Index: one bit a blob.
#include <vector>

#include "base/bytes.hpp"

namespace holdfast::repo {

// One thread writes at a time.
class PositionSet {
 public:
  explicit PositionSet(std::uint64_t positions) : words_(positions / 64 + 1) {}

  bool contains(std::uint64_t position) const {  // REQUIRES: below the count given at first
    return (words_[position / 64] >> (position % 64) & 1) != 0;
  }
  // True when it was not in yet.
  bool insert(std::uint64_t position) {
    if (contains(position)) return false;
    words_[position / 64] |= std::uint64_t{1} << (position % 64);
    return true;
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace holdfast::repo
