#include "backup/base_rewrite.hpp"

#include <fmt/format.h>

#include "bson/compare.hpp"

namespace holdfast::backup {

CollectionRewrite::CollectionRewrite(repo::Writer& writer, std::uint64_t seed,
                                     dataset::MongoCollection facts, RangeChoice& samples)
    : writer_(writer),
      facts_(std::move(facts)),
      samples_(samples),
      content_(writer, seed),
      chunks_(writer, seed, [this](ByteView entry) { return take(entry); }) {}

Result<void> CollectionRewrite::add(ByteView document) {
  key_.clear();
  dataset::id_key_of(bson::Document::trusted(document), key_);
  return chunks_.add(document, key_);
}

Result<void> CollectionRewrite::keep(const StoredChunk& chunk) {
  const bool is_there = TRY(writer_.reuse({repo::BlobType::data, chunk.blob()}));
  if (!is_there)
    return fail(ErrorCode::corrupt, fmt::format("chunk {} of {} is not in the repository",
                                                chunk.blob().short_hex(), facts_.ns()));
  ++kept_count_;
  return take(chunk.raw());
}

Result<void> CollectionRewrite::take(ByteView entry) {
  const auto chunk = TRY(dataset::decode_chunk_entry(bson::Document::trusted(entry)));
  samples_.offer(facts_, chunk);
  return content_.add(entry);
}

Result<SyntheticCollection> CollectionRewrite::finish(BaseSnapshot& base) {
  TRY(chunks_.finish());
  TRY(content_.finish());
  const auto stored = TRY(base.add_collection(facts_, content_));
  return SyntheticCollection{.ns = facts_.ns(),
                             .type = facts_.type,
                             .count = stored.count,
                             .bytes = stored.bytes,
                             .chunk_count = stored.chunk_count,
                             .chunk_kept_count = kept_count_,
                             .chunk_new_count = chunks_.new_count(),
                             .digest = stored.digest};
}

Result<std::unique_ptr<RewriteReader>> RewriteReader::open(const repo::Repository& repository,
                                                           repo::SnapshotFiles& files,
                                                           const dataset::StoredCollection& stored,
                                                           CollectionRewrite& rewrite,
                                                           std::uint64_t& read_count) {
  const std::string path = dataset::chunk_index_path(stored.facts);
  auto node = TRY(files.find(path));
  if (!node) return fail(ErrorCode::corrupt, path + " is not in the snapshot");
  ChunkIndexReader index(repository, std::move(node->content), path);
  auto reader =
      std::make_unique<RewriteReader>(repository, std::move(index), stored, rewrite, read_count);
  reader->ahead_ = TRY(reader->index_.next());
  return reader;
}

RewriteReader::RewriteReader(const repo::Repository& repository, ChunkIndexReader index,
                             const dataset::StoredCollection& stored, CollectionRewrite& rewrite,
                             std::uint64_t& read_count)
    : reader_(repository),
      index_(std::move(index)),
      stored_(stored),
      rewrite_(rewrite),
      read_count_(read_count) {}

bool RewriteReader::may_leave_out() const {
  if (!is_told_ || !rewrite_.is_between_chunks()) return false;
  if (!next_effect_) return true;
  return ahead_ && bson::compare_bytes(ahead_->first_key(), *next_effect_) < 0;
}

Result<std::optional<ByteView>> RewriteReader::next() {
  while (true) {
    if (documents_) {
      const auto document = TRY(documents_->next());
      if (document) return document;
      documents_.reset();
    }
    if (!ahead_) {
      TRY(check_sum());
      return std::optional<ByteView>();
    }
    const StoredChunk chunk = std::move(*ahead_);
    ahead_ = TRY(index_.next());
    count_ += chunk.count();
    digest_ += chunk.digest();
    if (may_leave_out()) {
      TRY(rewrite_.keep(chunk));
      left_out_count_ += chunk.count();
      left_out_bytes_ += chunk.bytes();
      continue;
    }
    ++read_count_;
    const ByteView plain = TRY(reader_.load({repo::BlobType::data, chunk.blob()})
                                   .while_doing("reading " + stored_.facts.ns()));
    documents_.emplace(plain, stored_.facts.ns());
  }
}

Result<void> RewriteReader::check_sum() const {
  if (count_ == stored_.count && digest_ == stored_.digest) return {};
  return fail(ErrorCode::corrupt,
              fmt::format("the chunk index of {} does not add up to what the manifest says",
                          stored_.facts.ns()));
}

}  // namespace holdfast::backup
