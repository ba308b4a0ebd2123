#pragma once
// A new base out of an old one, chunk by chunk: documents of chunks that something touched go
// through the chunker, all other chunks are taken over by their name without reading them.
#include "backup/base_snapshot.hpp"
#include "backup/chunk_index_reader.hpp"
#include "backup/sample_check.hpp"
#include "backup/synthetic_full.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::backup {

// One collection that is being written. One thread.
class CollectionRewrite {
 public:
  CollectionRewrite(repo::Writer& writer, std::uint64_t seed, dataset::MongoCollection facts,
                    RangeChoice& samples);

  const dataset::MongoCollection& facts() const { return facts_; }
  Result<void> add(ByteView document);
  // REQUIRES: is_between_chunks(). Error: corrupt (the repository does not have its blob).
  Result<void> keep(const StoredChunk& chunk);
  bool is_between_chunks() const { return chunks_.is_between_chunks(); }

  // Ends the collection and adds it to the base.
  Result<SyntheticCollection> finish(BaseSnapshot& base);

 private:
  Result<void> take(ByteView entry);

  repo::Writer& writer_;
  dataset::MongoCollection facts_;
  RangeChoice& samples_;
  CollectionContent content_;
  ChunkWriter chunks_;
  std::uint64_t kept_count_ = 0;
  Bytes key_;
};

// Documents of a collection of the old base. What it leaves out it hands to `rewrite` itself.
class RewriteReader final : public oplog::DocumentReader, public oplog::UnchangedStretches {
 public:
  // Use open().
  RewriteReader(const repo::Repository& repository, ChunkIndexReader index,
                const dataset::StoredCollection& stored, CollectionRewrite& rewrite,
                std::uint64_t& read_count);

  // `stored` and `rewrite` must outlive it; `read_count`: chunks that were read, summed up.
  static Result<std::unique_ptr<RewriteReader>> open(const repo::Repository& repository,
                                                     repo::SnapshotFiles& files,
                                                     const dataset::StoredCollection& stored,
                                                     CollectionRewrite& rewrite,
                                                     std::uint64_t& read_count);

  oplog::DocumentOrder order() const override {
    return stored_.order == dataset::StoredOrder::by_id ? oplog::DocumentOrder::by_id
                                                        : oplog::DocumentOrder::natural;
  }
  Result<std::optional<ByteView>> next() override;
  oplog::UnchangedStretches* stretches() override { return this; }

  void unchanged_below(std::optional<ByteView> key) override {
    is_told_ = true;
    next_effect_ = key;
  }
  std::uint64_t left_out_count() const override { return left_out_count_; }
  std::uint64_t left_out_bytes() const override { return left_out_bytes_; }

 private:
  // Whether the chunk before `ahead_` comes out as it is. What stands behind it decides too: its
  // end may be there only because the next document did not fit, or because there was none.
  bool may_leave_out() const;
  Result<void> check_sum() const;

  repo::BlobReader reader_;
  ChunkIndexReader index_;
  const dataset::StoredCollection& stored_;
  CollectionRewrite& rewrite_;
  std::uint64_t& read_count_;
  std::optional<StoredChunk> ahead_;
  std::optional<dataset::BsonBytes> documents_;
  bool is_told_ = false;
  std::optional<ByteView> next_effect_;
  std::uint64_t left_out_count_ = 0;
  std::uint64_t left_out_bytes_ = 0;
  std::uint64_t count_ = 0;
  bson::Digest256 digest_;
};

}  // namespace holdfast::backup
