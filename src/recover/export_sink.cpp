#include "recover/export_sink.hpp"

#include <fmt/format.h>

namespace holdfast::recover {

bool ExportSink::is_left_out(const dataset::MongoCollection& collection,
                             const NamespaceName& name) const {
  if (collection.name != "system.views") return false;
  // Its documents hold the name of the database.
  return options_.view_catalog == ViewCatalog::leave_out ||
         options_.target.form == dataset::DumpForm::archive || name.db != collection.db;
}

Result<void> ExportSink::open(dataset::MongoCollection collection) {
  const std::string ns = collection.ns();
  const NamespaceName name = choice_.name_of(ns);
  is_open_ = !is_left_out(collection, name);
  if (!is_open_) return {};
  if (!written_.insert(name.ns()).second)
    return fail(
        ErrorCode::usage,
        fmt::format("two collections would be called {}: give {} another name", name.ns(), ns));
  collection.db = name.db;
  collection.name = name.collection;
  digest_.clear();
  result_.collections.push_back(
      {.ns = ns, .target_ns = name.ns(), .type = collection.type, .digest = {}});
  return writer_.begin(collection);
}

Result<void> ExportSink::begin(const MomentCollection& collection) {
  if (collection.is_temporary && options_.temporaries == Temporaries::leave_out) {
    result_.left_out.push_back(collection.facts.ns());
    is_open_ = false;
    return {};
  }
  has_documents_ = collection.facts.has_documents;
  expected_ = collection.digest;
  return open(collection.facts);
}

Result<void> ExportSink::document(ByteView document) {
  if (!is_open_) return {};
  digest_.add(document);
  return writer_.document(document);
}

Result<void> ExportSink::end(const oplog::CollectionTotals& totals) {
  if (!is_open_) return {};
  if (!has_documents_) return writer_.end();
  TRY(check_digest());
  ExportedCollection& exported = result_.collections.back();
  exported.count = digest_.count();
  exported.bytes = digest_.bytes();
  exported.digest = digest_.digest();
  exported.trimmed_count = totals.trimmed_count;
  exported.is_approximate_tail = totals.is_approximate_tail;
  if (totals.is_approximate_tail)
    result_.notes.push_back(
        fmt::format("{} is capped by size: the server trims it without a record, so its oldest "
                    "documents are an estimate",
                    exported.ns));
  return writer_.end();
}

// A damaged or foreign base is noticed by its digests.
Result<void> ExportSink::check_digest() const {
  if (!expected_ || *expected_ == digest_.digest()) return {};
  return fail(ErrorCode::corrupt, fmt::format("{} has not the digest that the manifest names",
                                              result_.collections.back().ns));
}

}  // namespace holdfast::recover
