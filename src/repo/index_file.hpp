#pragma once
// Index files: which blobs are in which packs (docs/repository_format.md A7). Decoding hands over
// pack by pack, so that memory is bounded by the largest pack and not by the repository.
#include <functional>
#include <optional>

#include "repo/json_text.hpp"
#include "repo/pack_header.hpp"

namespace holdfast::repo {

// marked: rustic's packs_to_delete. Do not deduplicate against those; read them as a last resort.
enum class PackState : std::uint8_t { live, marked };

struct IndexedPack {
  PackId id;
  PackState state = PackState::live;
  std::vector<PackedBlob> blobs;
  std::optional<NodeTime> time;             // written by rustic, and by us for marked packs
  std::optional<std::uint64_t> pack_bytes;  // rustic's "size"
  friend bool operator==(const IndexedPack&, const IndexedPack&) = default;
};

// Called for each pack in file order; the pack is valid only during the call. An error ends it.
using IndexVisitor = std::function<Result<void>(const IndexedPack&)>;
Result<void> decode_index(ByteView json, const IndexVisitor& visit);

// Collects packs and gives the file's JSON, restic's field order, "\n" at the end. One thread.
class IndexEncoder {
 public:
  IndexEncoder();
  void add(const IndexedPack& pack);
  std::size_t blob_count() const { return blob_count_; }
  std::size_t pack_count() const { return pack_count_; }
  std::size_t json_bytes() const { return live_.size() + marked_.size(); }
  // The JSON; the encoder is empty again.
  Bytes finish();

 private:
  JsonText live_;
  JsonText marked_;
  std::size_t blob_count_ = 0;
  std::size_t pack_count_ = 0;
  std::size_t marked_count_ = 0;
};

// A pack's blobs must cover [0, end) without gap or overlap once sorted by offset; a sentence
// saying what is wrong, or nothing.
std::optional<std::string> coverage_flaw(const IndexedPack& pack);

}  // namespace holdfast::repo
