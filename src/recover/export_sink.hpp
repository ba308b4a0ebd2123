#pragma once
// Where exported collections go: through the choice of names into a dump, counted and hashed.
#include <set>

#include "recover/export_mongo.hpp"
#include "recover/moment_stream.hpp"

namespace holdfast::recover {

// One thread.
class ExportSink final : public MomentSink {
 public:
  ExportSink(dataset::DumpWriter& writer, const NamespaceChoice& choice,
             const MongoExportOptions& options, MongoExportResult& result)
      : writer_(writer), choice_(choice), options_(options), result_(result) {}

  Result<void> begin(const MomentCollection& collection) override;
  Result<void> document(ByteView document) override;
  Result<void> end(const oplog::CollectionTotals& totals) override;

 private:
  Result<void> open(dataset::MongoCollection collection);
  Result<void> check_digest() const;
  bool is_left_out(const dataset::MongoCollection& collection, const NamespaceName& name) const;

  dataset::DumpWriter& writer_;
  const NamespaceChoice& choice_;
  const MongoExportOptions& options_;
  MongoExportResult& result_;
  std::set<std::string> written_;
  bool is_open_ = false;  // false: documents of a collection that is left out
  bool has_documents_ = true;
  bson::ContentDigest digest_;
  std::optional<bson::Digest256> expected_;
};

}  // namespace holdfast::recover
