#include "oplog/update.hpp"

#include <fmt/format.h>

#include "bson/compare.hpp"

namespace holdfast::oplog {

namespace {

using bson::Document;
using bson::Element;
using bson::Type;
using bson::Value;

Result<std::int64_t> version_of(const Value& value) {
  if (value.type != Type::int32 && value.type != Type::int64)
    return fail(ErrorCode::unsupported, "the update version '$v' is not an integer");
  return *value.as_integer();
}

// Members besides `$v` and `diff` are refused.
Result<Document> diff_of(Document o) {
  std::optional<Value> diff;
  for (const Element& element : o) {
    if (element.name == "$v") continue;
    if (element.name != "diff")
      return fail(ErrorCode::unsupported,
                  fmt::format("unknown member '{}' beside a delta", element.name));
    if (diff) return fail(ErrorCode::malformed, "an update has two members 'diff'");
    diff = element.value;
  }
  if (!diff || diff->type != Type::document)
    return fail(ErrorCode::malformed, "an update of version 2 has no document 'diff'");
  return diff->as_document();
}

// Trusted: what diff_of() accepted before.
Document trusted_diff(Document o) {
  return o.find("diff")->as_document();
}

bool is_number(Type type) {
  return type == Type::int32 || type == Type::int64 || type == Type::double_ ||
         type == Type::decimal128;
}

}  // namespace

bool is_same_identity(const Value& addressed, const Value& result) {
  if (addressed == result) return true;
  return is_number(addressed.type) && is_number(result.type) && bson::is_same(addressed, result);
}

// Order of the tests: docs/oplog_format.md 3.1.
Result<UpdateKind> UpdateCheck::check(Document o) {
  std::optional<Value> version;
  for (const Element& element : o) {
    if (element.name == "_id") return UpdateKind::replacement;
    if (element.name == "$v" && !version) version = element.value;
  }
  const bool is_dollar = !o.is_empty() && o.begin()->name.starts_with('$');
  if (!version && !is_dollar) return UpdateKind::replacement;
  std::int64_t number = 1;
  if (version) number = TRY(version_of(*version));
  if (number == 2) {
    const auto diff = TRY(diff_of(o));
    TRY(delta_.check(diff));
    return UpdateKind::delta;
  }
  if (number != 1)
    return fail(ErrorCode::unsupported, fmt::format("unknown update version {}", number));
  TRY(modifiers_.read(o));
  return UpdateKind::modifiers;
}

Result<Document> Updater::apply(Document pre, UpdateKind kind, Document o, Strictness strictness) {
  std::swap(out_, previous_);
  out_.clear();
  switch (kind) {
    case UpdateKind::replacement:
      TRY(replace(pre, o));
      break;
    case UpdateKind::delta:
      TRY(delta_.apply(pre, trusted_diff(o), strictness, out_, tally_));
      break;
    case UpdateKind::modifiers:
      TRY(modifiers_.read(o));
      TRY(modifiers_.apply(pre, strictness, out_, tally_));
      break;
  }
  const Document post = out_.document();
  if (!post.is_empty() && post.begin()->name == "_id") return post;
  move_id_to_front();
  return out_.document();
}

Result<void> Updater::replace(Document pre, Document o) {
  const std::size_t start = out_.open_root();
  if (!o.find("_id")) {
    const auto id = pre.find("_id");
    if (id) out_.element("_id", *id);
  }
  const ByteView bytes = o.bytes();
  out_.raw(bytes.subspan(4, bytes.size() - 5));
  out_.close(start);
  return {};
}

void Updater::move_id_to_front() {
  const Document post = out_.document();
  if (!post.find("_id")) return;
  moved_.clear();
  const std::size_t start = moved_.open_root();
  bool is_moved = false;
  for (const Element& element : post) {
    if (is_moved || element.name != "_id") continue;
    moved_.raw(element.raw);
    is_moved = true;
  }
  is_moved = false;
  for (const Element& element : post) {
    const bool is_first_id = !is_moved && element.name == "_id";
    if (!is_first_id) moved_.raw(element.raw);
    is_moved = is_moved || is_first_id;
  }
  moved_.close(start);
  std::swap(out_, moved_);
}

}  // namespace holdfast::oplog
