// Documents: one pass over the pre-image. Stretches that no change names are copied at once; a
// changed field is looked up among the (usually few) changes; what is left of `u`, then `i`, is
// appended. Arrays: one pass by index, since indexes ascend in the delta.
#include "oplog/delta.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::Value;

constexpr std::size_t few_changes = 12;

// Copies what lies between changed elements in one piece.
class Stretch {
 public:
  explicit Stretch(DocumentWriter& out) : out_(out) {}
  void extend(const Element& element) {
    if (begin_ == nullptr) begin_ = element.raw.data();
    end_ = element.raw.data() + element.raw.size();
  }
  void flush() {
    if (begin_ != nullptr) out_.raw(begin_, static_cast<std::size_t>(end_ - begin_));
    begin_ = nullptr;
  }

 private:
  DocumentWriter& out_;
  const std::uint8_t* begin_ = nullptr;
  const std::uint8_t* end_ = nullptr;
};

bool is_array_diff(Document sub) {
  return sub.begin()->name == "a";
}

}  // namespace

Result<void> DeltaApplier::apply(Document pre, Document diff, Strictness strictness,
                                 DocumentWriter& out, UpdateTally& tally) {
  strictness_ = strictness;
  out_ = &out;
  tally_ = &tally;
  path_.clear();
  changes_.clear();
  sorted_.clear();
  const std::size_t start = out.open_root();
  TRY(document_body(pre, diff));
  out.close(start);
  return check_size();
}

DeltaApplier::Frame DeltaApplier::open_frame(Document diff) {
  Frame frame{changes_.size(), 0, sorted_.size()};
  for (const Element& section : diff) {
    const char kind = section.name[0];
    if (kind == 's') {
      changes_.push_back(
          {Action::descend, false, section.name.substr(1), section.value, section.raw});
      continue;
    }
    const Action action = kind == 'd'   ? Action::remove
                          : kind == 'u' ? Action::update
                          : kind == 'i' ? Action::insert
                                        : Action::patch;
    for (const Element& field : section.value.as_document())
      changes_.push_back({action, false, field.name, field.value, field.raw});
  }
  frame.count = changes_.size() - frame.begin;
  if (frame.count <= few_changes) return frame;
  for (std::size_t at = frame.begin; at < changes_.size(); ++at)
    sorted_.push_back(static_cast<std::uint32_t>(at));
  std::sort(sorted_.begin() + static_cast<std::ptrdiff_t>(frame.sorted), sorted_.end(),
            [&](auto left, auto right) { return changes_[left].name < changes_[right].name; });
  return frame;
}

void DeltaApplier::close_frame(const Frame& frame) {
  changes_.resize(frame.begin);
  sorted_.resize(frame.sorted);
}

DeltaApplier::Change* DeltaApplier::find(const Frame& frame, std::string_view name) {
  if (frame.count <= few_changes) {
    Change* const end = changes_.data() + frame.begin + frame.count;
    for (Change* change = changes_.data() + frame.begin; change != end; ++change) {
      if (change->name == name) return change;
    }
    return nullptr;
  }
  const auto begin = sorted_.begin() + static_cast<std::ptrdiff_t>(frame.sorted);
  const auto end = begin + static_cast<std::ptrdiff_t>(frame.count);
  const auto found = std::lower_bound(
      begin, end, name, [&](auto at, std::string_view key) { return changes_[at].name < key; });
  if (found == end || changes_[*found].name != name) return nullptr;
  return &changes_[*found];
}

Result<void> DeltaApplier::document_body(Document pre, Document diff) {
  const Frame frame = open_frame(diff);
  Stretch same(*out_);
  for (const Element& element : pre) {
    Change* change = find(frame, element.name);
    if (change == nullptr) {
      same.extend(element);
      continue;
    }
    same.flush();
    TRY(change_element(element, static_cast<std::size_t>(change - changes_.data())));
  }
  same.flush();
  TRY(append_rest(frame));
  close_frame(frame);
  return check_size();
}

// Takes an index: descending may move `changes_`.
Result<void> DeltaApplier::change_element(const Element& old, std::size_t at) {
  const Change change = changes_[at];
  changes_[at].is_done = true;
  switch (change.action) {
    case Action::remove:
    case Action::insert:
      return {};
    case Action::update:
      out_->raw(change.raw);
      return {};
    case Action::patch:
      return patch(old, change.value.as_document());
    case Action::descend:
      return descend(old.name, old.value, change.value.as_document());
  }
  return {};
}

Result<void> DeltaApplier::append_rest(const Frame& frame) {
  for (std::size_t at = frame.begin; at < frame.begin + frame.count; ++at) {
    const Change& change = changes_[at];
    const bool is_appended =
        change.action == Action::insert || (change.action == Action::update && !change.is_done);
    if (is_appended) out_->raw(change.raw);
    const bool is_lost =
        !change.is_done && (change.action == Action::descend || change.action == Action::patch);
    if (is_lost) TRY(mismatch(change.name, "is absent"));
  }
  return {};
}

Result<void> DeltaApplier::descend(std::string_view name, const Value& old, Document sub) {
  const bool wants_array = is_array_diff(sub);
  if (old.type != (wants_array ? Type::array : Type::document)) {
    TRY(mismatch(name, wants_array ? "is not an array" : "is not a document"));
    out_->null(name);
    return {};
  }
  path_.push_back(name);
  const std::size_t start = out_->open(old.type, name);
  if (wants_array) {
    TRY(array_body(old.as_document(), sub));
  } else {
    TRY(document_body(old.as_document(), sub));
  }
  out_->close(start);
  path_.pop_back();
  return {};
}

Result<void> DeltaApplier::patch(const Element& old, Document patch) {
  if (old.value.type != Type::binary) {
    TRY(mismatch(old.name, "is not binary"));
    out_->null(old.name);
    return {};
  }
  const auto offset = static_cast<std::uint64_t>(*patch.find("o")->as_integer());
  const ByteView tail = patch.find("d")->bytes.subspan(5);
  const ByteView before = old.value.bytes.subspan(5);
  if (offset > before.size()) TRY(mismatch(old.name, "is shorter than the patch's offset"));
  if (offset > bson::document_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("a binary patch at offset {}", offset));
  Bytes content(offset);
  std::fill(content.begin(), content.end(), std::uint8_t{0});
  std::copy_n(before.begin(), std::min<std::uint64_t>(offset, before.size()), content.begin());
  append(content, tail);
  Bytes value(4);
  store_le(value.data(), static_cast<std::uint32_t>(content.size()));
  value.push_back(old.value.bytes[4]);
  append(value, content);
  out_->element(old.name, {Type::binary, value});
  ++tally_->binary_patches;
  return {};
}

Result<void> DeltaApplier::array_body(Document pre, Document diff) {
  auto member = diff.begin();
  ++member;
  std::optional<std::uint64_t> length;
  if (member != nullptr && member->name == "l") {
    length = static_cast<std::uint64_t>(member->value.as_int32());
    ++member;
  }
  const auto index_of = [](const Element& element) {
    return *parse_array_index(element.name.substr(1));
  };
  ArrayNames names;
  auto old = pre.begin();
  for (; old != nullptr && (!length || names.index() < *length); ++old, names.advance()) {
    const bool is_changed = member != nullptr && index_of(*member) == names.index();
    if (!is_changed) {
      out_->element(names.text(), old->value);
      continue;
    }
    if (member->name[0] == 'u') {
      out_->element(names.text(), member->value);
    } else {
      TRY(descend(names.text(), old->value, member->value.as_document()));
    }
    ++member;
  }
  for (; member != nullptr; ++member, names.advance()) {
    TRY(pad(names, index_of(*member)));
    if (member->name[0] == 'u') {
      out_->element(names.text(), member->value);
      continue;
    }
    TRY(mismatch(names.text(), "is beyond the end of the array"));
    out_->null(names.text());
  }
  if (length) TRY(pad(names, *length));
  return check_size();
}

Result<void> DeltaApplier::pad(ArrayNames& names, std::uint64_t to) {
  if (to > names.index() + array_padding_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("an array delta pads from {} to {}", names.index(), to));
  for (; names.index() < to; names.advance()) out_->null(names.text());
  return check_size();
}

Result<void> DeltaApplier::mismatch(std::string_view name, std::string_view what) {
  if (strictness_ == Strictness::strict)
    return fail(ErrorCode::anomaly, fmt::format("field '{}{}{}' {}", fmt::join(path_, "."),
                                                path_.empty() ? "" : ".", name, what));
  ++tally_->mismatches;
  return {};
}

Result<void> DeltaApplier::check_size() const {
  if (!out_->is_too_large()) return {};
  return fail(ErrorCode::limit_exceeded, "a post-image is larger than 64 MiB");
}

}  // namespace holdfast::oplog
