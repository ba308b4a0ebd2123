#pragma once
// $v:2 deltas (docs/oplog_format.md 3.3): the grammar check and the application.
#include <optional>
#include <string>
#include <vector>

#include "oplog/document_writer.hpp"
#include "oplog/order.hpp"

namespace holdfast::oplog {

// The server refuses to pad arrays with more nulls than this ($set); so do we for deltas.
constexpr std::uint64_t array_padding_max = 1'500'000;

struct UpdateTally {
  std::uint64_t mismatches = 0;
  std::uint64_t binary_patches = 0;
};

// One or more ASCII digits, below 2^32.
std::optional<std::uint64_t> parse_array_index(std::string_view text);

// Grammar of 3.3.1. One thread; reuse it.
class DeltaCheck {
 public:
  // Errors: malformed.
  Result<void> check(bson::Document diff);

 private:
  Result<void> document(bson::Document diff);
  Result<void> section(const bson::Element& element);
  Result<void> array(bson::Document diff);
  Result<void> sub_diff(const bson::Element& element);
  Result<void> check_duplicates(std::size_t from);
  Result<void> check_binary_patch(const bson::Element& element);

  std::vector<std::string_view> names_;  // of the open diffs, innermost last
};

// One thread; reuse it.
class DeltaApplier {
 public:
  // Appends the post-image as a root document. REQUIRES: DeltaCheck passed the diff.
  // Errors: anomaly (STRICT), limit_exceeded.
  Result<void> apply(bson::Document pre, bson::Document diff, Strictness strictness,
                     DocumentWriter& out, UpdateTally& tally);

 private:
  enum class Action : std::uint8_t { remove, update, insert, patch, descend };
  struct Change {
    Action action;
    bool is_done;
    std::string_view name;
    bson::Value value;
    ByteView raw;  // the element to copy (update, insert)
  };
  struct Frame {
    std::size_t begin;  // into changes_
    std::size_t count;
    std::size_t sorted;  // into sorted_, if count is large
  };

  Result<void> document_body(bson::Document pre, bson::Document diff);
  Result<void> array_body(bson::Document pre, bson::Document diff);
  Frame open_frame(bson::Document diff);
  void close_frame(const Frame& frame);
  Change* find(const Frame& frame, std::string_view name);
  Result<void> change_element(const bson::Element& old, std::size_t change);
  Result<void> append_rest(const Frame& frame);
  Result<void> descend(std::string_view name, const bson::Value& old, bson::Document sub);
  Result<void> patch(const bson::Element& old, bson::Document patch);
  Result<void> pad(ArrayNames& names, std::uint64_t to);
  Result<void> mismatch(std::string_view name, std::string_view what);
  Result<void> check_size() const;

  std::vector<Change> changes_;
  std::vector<std::uint32_t> sorted_;
  std::vector<std::string_view> path_;
  Strictness strictness_ = Strictness::strict;
  DocumentWriter* out_ = nullptr;
  UpdateTally* tally_ = nullptr;
};

}  // namespace holdfast::oplog
