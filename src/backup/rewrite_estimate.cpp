#include "backup/rewrite_estimate.hpp"

#include <algorithm>
#include <map>

#include "backup/chunk_index_reader.hpp"
#include "backup/document_changes.hpp"
#include "bson/compare.hpp"
#include "bson/key.hpp"
#include "oplog/segment.hpp"

namespace holdfast::backup {

namespace {

// Keys of chunks: a base of a terabyte has a million.
constexpr std::uint64_t memory_bytes_max = std::uint64_t{192} << 20;

struct KnownChunk {
  Bytes first_key;
  std::uint64_t bytes = 0;
  bool is_touched = false;
};

// Of one collection, ascending by first key.
struct KnownCollection {
  std::vector<KnownChunk> chunks;
  bool has_order = true;  // else any change means all of them
  bool is_dropped = false;
  std::uint64_t touched_bytes = 0;
};

class TouchedChunks final : private ChangeVisitor {
 public:
  TouchedChunks(const repo::Repository& repository, const catalog::StoredBase& base,
                const repo::BlobId& tree)
      : repository_(repository), base_(base), files_(repository, tree) {}

  Result<void> take(ByteView bytes) {
    const oplog::OpTime time = TRY(oplog::optime_of(bytes));
    if (time.ts <= base_.window().first) return {};
    const auto entry = oplog::Entry::parse(bytes, {});
    if (!entry.has_value()) return unknown();
    return visit_changes(*entry, *this);
  }

  std::uint64_t bytes() const { return bytes_; }
  bool is_known() const { return is_known_; }

 private:
  Result<void> document(const oplog::Entry& entry, const std::optional<bson::Value>& id) override {
    auto* const collection = TRY(find(entry.uuid));
    if (collection == nullptr || collection->is_dropped) return {};
    if (!collection->has_order || !id) {
      for (KnownChunk& chunk : collection->chunks) touch(*collection, chunk);
      return {};
    }
    key_.clear();
    bson::append_key(*id, key_);
    const auto behind = std::upper_bound(collection->chunks.begin(), collection->chunks.end(), key_,
                                         [](const Bytes& key, const KnownChunk& chunk) {
                                           return bson::compare_bytes(key, chunk.first_key) < 0;
                                         });
    if (behind != collection->chunks.begin()) touch(*collection, *std::prev(behind));
    return {};
  }

  Result<void> command(const oplog::Entry& entry) override {
    if (entry.command() != "drop") return {};
    auto* const collection = TRY(find(entry.uuid));
    if (collection == nullptr || collection->is_dropped) return {};
    collection->is_dropped = true;
    bytes_ -= collection->touched_bytes;
    return {};
  }

  Result<void> unknown() override {
    is_known_ = false;
    return {};
  }

  void touch(KnownCollection& collection, KnownChunk& chunk) {
    if (std::exchange(chunk.is_touched, true)) return;
    collection.touched_bytes += chunk.bytes;
    bytes_ += chunk.bytes;
  }

  // Null: the base does not have it.
  Result<KnownCollection*> find(const std::optional<oplog::Uuid>& uuid) {
    if (!uuid) return nullptr;
    const auto known = collections_.find(*uuid);
    if (known != collections_.end()) return &known->second;
    const dataset::StoredCollection* const stored = base_.find_collection(*uuid);
    if (stored == nullptr) return nullptr;
    auto read = TRY(load(*stored).while_doing("reading the chunks of " + stored->facts.ns()));
    return &collections_.emplace(*uuid, std::move(read)).first->second;
  }

  Result<KnownCollection> load(const dataset::StoredCollection& stored) {
    KnownCollection collection;
    collection.has_order = stored.order == dataset::StoredOrder::by_id;
    const std::string path = dataset::chunk_index_path(stored.facts);
    auto node = TRY(files_.find(path));
    if (!node) return collection;
    ChunkIndexReader index(repository_, std::move(node->content), path);
    while (is_known_) {
      const auto chunk = TRY(index.next());
      if (!chunk) break;
      memory_bytes_ += sizeof(KnownChunk) + chunk->first_key().size();
      is_known_ = memory_bytes_ <= memory_bytes_max;
      collection.chunks.push_back({to_bytes(chunk->first_key()), chunk->bytes(), false});
    }
    return collection;
  }

  const repo::Repository& repository_;
  const catalog::StoredBase& base_;
  repo::SnapshotFiles files_;
  std::map<oplog::Uuid, KnownCollection> collections_;
  std::uint64_t memory_bytes_ = 0;
  std::uint64_t bytes_ = 0;
  bool is_known_ = true;
  Bytes key_;
};

}  // namespace

Recorded recorded_since(const oplog::Chain& chain, const oplog::BaseWindow& window) {
  Recorded recorded;
  for (const oplog::SegmentFacts& segment : chain.segments) {
    if (segment.last.ts <= window.last) continue;
    recorded.bytes += segment.byte_count;
    recorded.entries += segment.entry_count;
  }
  return recorded;
}

std::optional<std::uint64_t> rewrite_bytes_max(const Recorded& recorded, Duration base_age,
                                               const RewritePolicy& policy) {
  const bool is_due = recorded.bytes >= policy.recorded_bytes_max ||
                      recorded.entries >= policy.recorded_entries_max ||
                      base_age >= policy.base_age_max;
  if (is_due || !policy.may_put_off) return std::nullopt;
  return std::max(policy.always_bytes, recorded.bytes * policy.bytes_for_each_recorded);
}

Result<std::optional<std::uint64_t>> touched_bytes(const repo::Repository& repository,
                                                   const catalog::StoredBase& base,
                                                   const repo::BlobId& tree,
                                                   oplog::EntrySource& entries,
                                                   std::uint64_t enough) {
  TouchedChunks touched(repository, base, tree);
  while (touched.is_known() && touched.bytes() <= enough) {
    TRY(repository.context().check_stop());
    const auto entry = TRY(entries.next());
    if (!entry) return std::optional(touched.bytes());
    TRY(touched.take(*entry));
  }
  return touched.is_known() ? std::optional(touched.bytes()) : std::nullopt;
}

}  // namespace holdfast::backup
