#pragma once
// A dataset "shop" in a repository in memory, made of oplog segments and bases that have a catalog
// but no documents: for what reads the recorded oplog.
#include "catalog/dataset_snapshot.hpp"
#include "dataset/mongo_segments.hpp"
#include "doubles/database_model.hpp"
#include "doubles/memory_repository.hpp"
#include "oplog/segment.hpp"

namespace holdfast::test {

class RecordedDataset {
 public:
  MemoryRepository memory;

  // Entries from number `first` on (counted from 0) as one segment, which follows the one before
  // unless `is_gap`.
  enum class Join : std::uint8_t { follows, after_gap };
  void record(const std::vector<Bytes>& entries, std::size_t first, Join join = Join::follows) {
    const bool follows = join == Join::follows && last_;
    oplog::SegmentScan scan(follows ? &*last_ : nullptr);
    Bytes all;
    for (std::size_t at = first; at < entries.size(); ++at) {
      REQUIRE(scan.add(entries[at]).has_value());
      append(all, entries[at]);
    }
    last_ = scan.finish();
    publish(dataset::segments_tag, [&](catalog::DatasetSnapshot& snapshot) {
      REQUIRE(snapshot.add_text(dataset::segment_path(*last_), all).has_value());
      const std::string list = dataset::encode_segments("shop", {*last_});
      REQUIRE(snapshot.add_text(dataset::segments_path, as_bytes(list)).has_value());
    });
  }

  // What the model holds now, counted.
  void add_base(const DatabaseModel& model) {
    const oplog::Timestamp now{model.now(), 1};
    dataset::MongoManifest manifest;
    manifest.dataset = "shop";
    manifest.window = oplog::BaseWindow{oplog::BaseKind::exact, now, now};
    for (const auto& [ns, collection] : model.collections) {
      dataset::StoredCollection stored;
      stored.facts.db = ns.substr(0, ns.find('.'));
      stored.facts.name = ns.substr(ns.find('.') + 1);
      stored.facts.uuid = uuid_of(collection.uuid);
      for (const std::string& index : collection.indexes)
        stored.facts.indexes.push_back(json(index));
      stored.count = collection.documents.size();
      manifest.collections.push_back(stored);
    }
    publish(dataset::base_tag, [&](catalog::DatasetSnapshot& snapshot) {
      const std::string window = dataset::encode_window(*manifest.window);
      REQUIRE(snapshot.add_text(dataset::window_path, as_bytes(window)).has_value());
      const std::string text = dataset::encode_manifest(manifest);
      REQUIRE(snapshot.add_text(dataset::manifest_path, as_bytes(text)).has_value());
    });
  }

 private:
  template <class Fill>
  void publish(std::string_view kind, Fill&& fill) {
    const auto repository = memory.open_indexed();
    auto writer = repo::Writer::make(repository);
    REQUIRE(writer.has_value());
    const catalog::DatasetLabel label{"shop", {}, {}, memory.clock.now()};
    catalog::DatasetSnapshot snapshot(repository, *writer, label, kind);
    fill(snapshot);
    REQUIRE(snapshot.publish().has_value());
  }

  std::optional<oplog::SegmentFacts> last_;
};

}  // namespace holdfast::test
