#pragma once
// Where exported collections go: through the choice of names into a dump, counted and hashed.
#include <set>

#include "recover/export_mongo.hpp"
#include "recover/namespace_choice.hpp"

namespace holdfast::recover {

// One thread. begin/document/end are the engine's calls; the write_ functions are for what the
// engine does not compute.
class ExportSink final : public oplog::CollectionSink {
 public:
  ExportSink(dataset::DumpWriter& writer, const NamespaceChoice& choice,
             const MongoExportOptions& options, MongoExportResult& result)
      : writer_(writer), choice_(choice), options_(options), result_(result) {}

  Result<void> begin(const oplog::CollectionAtT& collection) override;
  Result<void> document(ByteView document) override;
  Result<void> end(const oplog::CollectionTotals& totals) override;

  // A view, or metadata of a time series.
  Result<void> write_metadata(const dataset::MongoCollection& collection);
  // Documents as a base has them.
  Result<void> write_collection(const dataset::MongoCollection& collection,
                                oplog::DocumentReader& documents);

 private:
  Result<void> open(dataset::MongoCollection collection);
  bool is_left_out(const dataset::MongoCollection& collection, const NamespaceName& name) const;

  dataset::DumpWriter& writer_;
  const NamespaceChoice& choice_;
  const MongoExportOptions& options_;
  MongoExportResult& result_;
  std::set<std::string> written_;
  bool is_open_ = false;  // false: documents of a collection that is left out
  bson::ContentDigest digest_;
};

}  // namespace holdfast::recover
