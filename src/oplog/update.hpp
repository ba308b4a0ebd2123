#pragma once
// Update application: pre-image and the `o` of a `u` entry give the post-image, byte for byte as
// the server does it (docs/oplog_format.md section 3): $v:2 deltas, $v:1 modifiers, replacements.
#include "oplog/delta.hpp"
#include "oplog/modifiers.hpp"

namespace holdfast::oplog {

enum class UpdateKind : std::uint8_t { replacement, delta, modifiers };

// What kind `o` is, and all checks that need no pre-image: versions, the complete delta grammar,
// paths of modifiers. Errors: malformed (never applicable), unsupported (refuse), limit_exceeded.
// Holds scratch space: one thread, reuse it.
class UpdateCheck {
 public:
  Result<UpdateKind> check(bson::Document o);

 private:
  DeltaCheck delta_;
  Modifiers modifiers_;
};

// One thread; reuse it. The post-image is valid until the next call but one, so it can be the
// pre-image of the next.
class Updater {
 public:
  // REQUIRES: UpdateCheck gave `kind` for `o`. Errors: anomaly (STRICT: the pre-image is not the
  // one the update was made for; names the path), limit_exceeded.
  Result<bson::Document> apply(bson::Document pre, UpdateKind kind, bson::Document o,
                               Strictness strictness);

  // Absorbed mismatches and applied binary patches since construction.
  std::uint64_t mismatch_count() const { return tally_.mismatches; }
  std::uint64_t binary_patch_count() const { return tally_.binary_patches; }

 private:
  Result<void> replace(bson::Document pre, bson::Document o);
  void move_id_to_front();

  UpdateTally tally_;
  DocumentWriter out_;
  DocumentWriter previous_;
  DocumentWriter moved_;
  DeltaApplier delta_;
  Modifiers modifiers_;
};

// Docs/oplog_format.md 2.5: the `_id` of a result must compare equal to the one addressed and,
// unless it is numeric, be byte-equal.
bool is_same_identity(const bson::Value& addressed, const bson::Value& result);

}  // namespace holdfast::oplog
