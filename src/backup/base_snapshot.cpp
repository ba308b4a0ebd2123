#include "backup/base_snapshot.hpp"

#include <fmt/format.h>

#include "bson/ext_json.hpp"

namespace holdfast::backup {

namespace {

std::string prelude_of(const dataset::MongoManifest& manifest) {
  const auto quoted = [](const std::string& text) {
    std::string out;
    bson::append_json_string(text, out);
    return out;
  };
  return fmt::format("{{\"ServerVersion\":{},\"ToolVersion\":{}}}", quoted(manifest.server_version),
                     quoted(manifest.tool_version));
}

}  // namespace

dataset::StoredOrder stored_order_of(const dataset::MongoCollection& collection) {
  return collection.is_capped() ? dataset::StoredOrder::natural : dataset::StoredOrder::by_id;
}

Result<void> BaseSnapshot::add_metadata(const dataset::MongoCollection& collection) {
  TRY(snapshot_.add_text(dataset::metadata_path(collection),
                         as_bytes(dataset::metadata_json(collection))));
  dataset::StoredCollection stored;
  stored.facts = collection;
  stored.order = stored_order_of(collection);
  manifest_.collections.push_back(std::move(stored));
  return {};
}

Result<dataset::StoredCollection> BaseSnapshot::add_collection(
    const dataset::MongoCollection& facts, CollectionContent& content) {
  if (facts.has_metadata)
    TRY(snapshot_.add_text(dataset::metadata_path(facts), as_bytes(dataset::metadata_json(facts))));
  dataset::StoredCollection stored;
  stored.facts = facts;
  stored.order = stored_order_of(facts);
  content.add_to(snapshot_.tree(), stored);
  manifest_.collections.push_back(stored);
  return stored;
}

Result<void> BaseSnapshot::add_window_oplog(dataset::DocumentStream& entries) {
  BlobFile file(writer_);
  dataset::DocumentChunker chunker(chunk_limits(seed_),
                                   [&](const dataset::Chunk& chunk) -> Result<void> {
                                     TRY(file.append(chunk.bytes));
                                     return {};
                                   });
  while (true) {
    const auto entry = TRY(entries.next());
    if (!entry) break;
    TRY(chunker.add(*entry, *entry));
  }
  TRY(chunker.finish());
  file.add_to(snapshot_.tree(), dataset::oplog_path);
  return {};
}

Result<repo::SnapshotId> BaseSnapshot::publish() {
  TRY(snapshot_.add_text("prelude.json", as_bytes(prelude_of(manifest_))));
  if (manifest_.window) {
    TRY(snapshot_.add_text(dataset::window_path,
                           as_bytes(dataset::encode_window(*manifest_.window))));
    snapshot_.add_moment_tag("from", manifest_.window->first);
  }
  TRY(snapshot_.add_text(dataset::manifest_path, as_bytes(dataset::encode_manifest(manifest_))));
  return snapshot_.publish();
}

}  // namespace holdfast::backup
