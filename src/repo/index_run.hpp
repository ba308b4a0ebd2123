#pragma once
// A sorted run of index records in a mapped file: what Index is made of.
//
// Record i is 24 bytes: the first 8 bytes of the blob's id as a number, pack number and type,
// offset, length, plain length. The other 24 bytes of the id stand in a second array in the same
// order. Both are sorted by (id, type, pack, offset). Numbers are in the machine's byte order: the
// files are caches and never leave it.
#include <filesystem>
#include <memory>
#include <span>

#include "base/file.hpp"
#include "repo/index_file.hpp"

namespace holdfast::repo {

// A file mapped for reading. Move-only; unmaps itself. Views of it stay valid when it is moved.
class Mapping {
 public:
  Mapping() = default;
  static Result<Mapping> make(const Fd& file, std::uint64_t bytes);
  Mapping(Mapping&& other) noexcept : view_(std::exchange(other.view_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    unmap();
    view_ = std::exchange(other.view_, {});
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { unmap(); }

  ByteView view() const { return view_; }

 private:
  void unmap();
  ByteView view_;
};

// Where one blob of a run is. `pack` is a number that Index gives; see Index::pack().
struct IndexedBlob {
  BlobHandle handle;
  std::uint32_t pack = 0;
  std::uint32_t offset = 0;        // of the sealed blob in the pack
  std::uint32_t length = 0;        // of the sealed blob
  std::uint32_t plain_length = 0;  // uncompressed bytes; 0: not compressed

  // Bytes of the blob's plaintext.
  std::uint32_t plain_bytes() const {
    if (plain_length != 0) return plain_length;
    return length < seal_overhead_bytes ? 0
                                        : length - static_cast<std::uint32_t>(seal_overhead_bytes);
  }
  friend bool operator==(const IndexedBlob&, const IndexedBlob&) = default;
};

constexpr std::uint32_t index_packs_max = (std::uint32_t{1} << 31) - 1;

struct IndexRecord {
  std::uint64_t prefix = 0;
  std::uint32_t pack_and_type = 0;  // pack * 2 + type
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  std::uint32_t plain_length = 0;

  std::uint32_t pack() const { return pack_and_type >> 1; }
  BlobType type() const { return static_cast<BlobType>(pack_and_type & 1); }
};
static_assert(sizeof(IndexRecord) == 24);
using IdSuffix = std::array<std::uint8_t, 24>;

// A record with its whole id: what is sorted and merged.
struct IndexRow {
  IndexRecord record;
  IdSuffix suffix{};

  static IndexRow make(const IndexedBlob& blob);
  IndexedBlob blob() const;
  bool operator<(const IndexRow& other) const;
  bool is_same_place(const IndexRow& other) const;  // blob, pack and offset are equal
};

// A view; immutable, so thread-safe.
class IndexRun {
 public:
  IndexRun() = default;
  // REQUIRES: equal lengths.
  IndexRun(std::span<const IndexRecord> records, std::span<const IdSuffix> suffixes)
      : records_(records), suffixes_(suffixes) {}

  std::uint64_t size() const { return records_.size(); }
  IndexRow row(std::uint64_t position) const { return {records_[position], suffixes_[position]}; }
  const IndexRecord& record(std::uint64_t position) const { return records_[position]; }

  struct Range {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };
  // The copies of a blob. Touches a suffix only where the first 8 bytes of the id match.
  Range find(const BlobHandle& handle) const;

 private:
  std::uint64_t lower_bound(std::uint64_t prefix) const;

  std::span<const IndexRecord> records_;
  std::span<const IdSuffix> suffixes_;
};

// Writes rows to a file as two arrays that grow side by side. One thread; the file must outlive it.
class RowWriter {
 public:
  // REQUIRES: there is room for all records to come between the two offsets.
  RowWriter(const Fd& file, std::uint64_t records_offset, std::uint64_t suffixes_offset);

  ~RowWriter();
  RowWriter(const RowWriter&) = delete;
  RowWriter& operator=(const RowWriter&) = delete;

  Result<void> add(const IndexRow& row);
  Result<void> flush();
  std::uint64_t count() const { return count_; }  // rows flushed
  // XXH3 over all flushed records and, apart, all flushed suffixes; see rows_checksum().
  std::uint64_t checksum() const;

 private:
  struct Checksums;

  const Fd& file_;
  std::unique_ptr<Checksums> checksums_;
  std::uint64_t records_offset_;
  std::uint64_t suffixes_offset_;
  std::uint64_t count_ = 0;
  std::vector<IndexRecord> records_;
  std::vector<IdSuffix> suffixes_;
};

// What RowWriter::checksum() says about the same rows. Reads all of them.
std::uint64_t rows_checksum(std::span<const IndexRecord> records,
                            std::span<const IdSuffix> suffixes);

// A file without a name in `directory`: it vanishes with its descriptor.
Result<Fd> make_unnamed_file(const std::filesystem::path& directory);

// A run and the memory it is in. Move-only.
struct MappedRun {
  Mapping mapping;
  IndexRun run;
};

}  // namespace holdfast::repo
