#include "backup/live_plan.hpp"

#include <algorithm>

#include "backup/base_snapshot.hpp"
#include "backup/chunk_index_reader.hpp"
#include "bson/builder.hpp"
#include "catalog/recorded_segments.hpp"
#include "catalog/stored_base.hpp"

namespace holdfast::backup {

namespace {

// A collation of its own orders texts in `_id` in another way than K does.
bool has_collation(const dataset::MongoCollection& collection) {
  return !collection.options.empty() &&
         bson::Document::trusted(collection.options).find("collation").has_value();
}

bool is_same_collection(const dataset::MongoCollection& left,
                        const dataset::MongoCollection& right) {
  return left.db == right.db && left.name == right.name && left.uuid == right.uuid;
}

class LivePlan {
 public:
  explicit LivePlan(LivePlanSetup& setup) : setup_(setup) { open_previous(); }

  Result<CollectionCopy> plan(const dataset::MongoCollection& collection) {
    CollectionCopy copy;
    copy.facts = collection;
    copy.order = stored_order_of(collection);
    if (take_unfinished(copy)) return copy;
    if (copy.order == dataset::StoredOrder::natural) {
      copy.set_bounds({});
      return copy;
    }
    if (has_collation(collection)) {
      copy.set_sorted();
      return copy;
    }
    const auto size = TRY(dataset::estimate_size(setup_.connection, collection));
    copy.bytes_estimate = size ? size->bytes : 0;
    std::vector<Bytes> bounds = TRY(bounds_for(collection, size));
    copy.set_bounds(dataset::usable_bounds(bounds));
    if (copy.ranges.size() > 1)
      copy.counted = TRY(dataset::count_documents(setup_.connection, collection));
    return copy;
  }

 private:
  void open_previous() {
    const std::string wanted = dataset::dataset_tag(setup_.dataset);
    const auto newest = std::find_if(setup_.snapshots.rbegin(), setup_.snapshots.rend(),
                                     [&](const repo::StoredSnapshot& each) {
                                       return catalog::has_tag(each.snapshot, wanted) &&
                                              catalog::has_tag(each.snapshot, dataset::base_tag);
                                     });
    if (newest == setup_.snapshots.rend()) return;
    auto base = catalog::StoredBase::open(setup_.repository, *newest);
    if (!base.has_value()) return;
    previous_ = std::move(*base);
    files_.emplace(setup_.repository, newest->snapshot.tree);
  }

  bool take_unfinished(CollectionCopy& copy) {
    const auto found = std::find_if(
        setup_.unfinished.begin(), setup_.unfinished.end(), [&](const CollectionCopy& other) {
          return is_same_collection(other.facts, copy.facts) && other.order == copy.order;
        });
    if (found == setup_.unfinished.end()) return false;
    dataset::MongoCollection facts = std::move(copy.facts);
    copy = std::move(*found);
    copy.facts = std::move(facts);
    setup_.unfinished.erase(found);
    return true;
  }

  Result<std::vector<Bytes>> bounds_for(const dataset::MongoCollection& collection,
                                        const std::optional<dataset::CollectionSize>& size) {
    if (!size || size->bytes <= setup_.range_bytes) return std::vector<Bytes>();
    const std::size_t count = std::min<std::size_t>(
        dataset::ranges_max - 2, (size->bytes + setup_.range_bytes - 1) / setup_.range_bytes);
    auto previous = previous_bounds(collection);
    if (previous.has_value() && !previous->empty()) return std::move(*previous);
    return dataset::sample_bounds(setup_.connection, collection, count);
  }

  Result<std::vector<Bytes>> previous_bounds(const dataset::MongoCollection& collection) {
    std::vector<Bytes> bounds;
    if (!previous_) return bounds;
    const auto& stored = previous_->manifest().collections;
    const auto found = std::find_if(stored.begin(), stored.end(), [&](const auto& each) {
      return is_same_collection(each.facts, collection);
    });
    if (found == stored.end()) return bounds;
    const auto node = TRY(files_->find(dataset::chunk_index_path(found->facts)));
    if (!node) return bounds;
    ChunkIndexReader chunks(setup_.repository, node->content, collection.ns());
    const std::uint64_t step =
        std::max<std::uint64_t>(setup_.range_bytes, found->bytes / (dataset::ranges_max - 2) + 1);
    std::uint64_t bytes = 0;
    while (true) {
      const auto chunk = TRY(chunks.next());
      if (!chunk || bounds.size() == dataset::ranges_max - 2) return bounds;
      const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(chunk->raw())));
      if (bytes >= step && entry.first_id) {
        bson::Builder bound;
        bound.append("_id", *entry.first_id);
        bounds.push_back(bound.take());
        bytes = 0;
      }
      bytes += chunk->bytes();
    }
  }

  LivePlanSetup& setup_;
  std::unique_ptr<catalog::StoredBase> previous_;
  std::optional<repo::SnapshotFiles> files_;
};

}  // namespace

Result<std::vector<CollectionCopy>> plan_copies(
    LivePlanSetup setup, const std::vector<dataset::MongoCollection>& collections) {
  LivePlan plan(setup);
  std::vector<CollectionCopy> copies;
  for (const dataset::MongoCollection& collection : collections) {
    TRY(setup.repository.context().check_stop());
    if (!collection.has_documents) continue;
    auto copy = TRY(plan.plan(collection).while_doing("planning " + collection.ns()));
    copies.push_back(std::move(copy));
  }
  return copies;
}

}  // namespace holdfast::backup
