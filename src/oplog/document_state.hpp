#pragma once
// One document while its operations are applied in order (docs/oplog_format.md 2.2, 6.2).
#include "oplog/anomalies.hpp"
#include "oplog/op_record.hpp"
#include "oplog/update.hpp"

namespace holdfast::oplog {

// One thread; reuse it for one document after the other.
class DocumentState {
 public:
  // `anomalies` counts what RELAXED absorbs and words what STRICT refuses.
  explicit DocumentState(Anomalies& anomalies) : anomalies_(anomalies) {}

  void start_absent();
  // The view must stay valid while operations are applied.
  void start_present(ByteView document, OrderKey position);

  // Errors: anomaly (STRICT), corrupt (an update changes _id), limit_exceeded.
  Result<void> apply(const OpRecord& op);

  bool is_present() const { return is_present_; }
  ByteView document() const { return document_; }
  // When it was inserted last: its place in a capped collection.
  OrderKey position() const { return position_; }
  std::uint64_t binary_patch_count() const { return updater_.binary_patch_count(); }

 private:
  Result<void> check_expectation(const OpRecord& op);
  Result<void> update(const OpRecord& op);
  Result<void> update_present(const OpRecord& op, bson::Document pre, bson::Document o);
  void put(ByteView document);

  Anomalies& anomalies_;
  Updater updater_;
  Bytes kept_;
  ByteView document_;
  OrderKey position_;
  bool is_present_ = false;
};

// The body of an upserting update carries the `_id` to insert: {_id, o}.
Bytes upsert_body(const bson::Value& id, bson::Document o);

}  // namespace holdfast::oplog
