// Updates of every form ($v:2 deltas, $v:1 modifiers, replacements) on any document: the result is
// BSON, the same each time, and the same in STRICT and RELAXED where STRICT has no objection.
// Input: the document before, then `o`, as BSON.
#include "base/check.hpp"
#include "oplog/update.hpp"

using namespace holdfast;
using namespace holdfast::oplog;

namespace {

// Valid until the updater's next call but one.
std::optional<bson::Document> post_image(Updater& updater, bson::Document pre, UpdateKind kind,
                                         bson::Document o, Strictness strictness) {
  const auto post = updater.apply(pre, kind, o, strictness);
  if (!post.has_value()) {
    const auto code = post.error().code;
    CHECK(code == ErrorCode::anomaly || code == ErrorCode::limit_exceeded);
    return std::nullopt;
  }
  if (strictness == Strictness::strict) CHECK(updater.mismatch_count() == 0);
  return *post;
}

// Post-images may be a little larger and deeper than what a stored document may be.
void check_document(ByteView post) {
  CHECK(post.size() >= 5 && load_le<std::uint32_t>(post.data()) == post.size());
  const auto valid = bson::Document::validate(post);
  if (valid.has_value()) return;
  const auto code = valid.error().code;
  CHECK(post.size() > bson::document_bytes_max || code == ErrorCode::limit_exceeded);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteView input(bytes, size);
  if (size < 10) return 0;
  const auto length = load_le<std::uint32_t>(bytes);
  if (length > size) return 0;
  const auto pre = bson::Document::validate(input.first(length));
  if (!pre.has_value()) return 0;
  const auto o = bson::Document::validate(input.subspan(length));
  if (!o.has_value()) return 0;
  UpdateCheck check;
  const auto kind = check.check(*o);
  if (!kind.has_value()) return 0;
  Updater strict_updater;
  Updater relaxed_updater;
  const auto strict = post_image(strict_updater, *pre, *kind, *o, Strictness::strict);
  const auto relaxed = post_image(relaxed_updater, *pre, *kind, *o, Strictness::relaxed);
  if (relaxed) check_document(relaxed->bytes());
  if (strict) {
    CHECK(relaxed.has_value());
    CHECK(as_text(strict->bytes()) == as_text(relaxed->bytes()));
  }
  return 0;
}
