#pragma once
// A sorted run of index records in a file: what Index is made of.
//
// Record i is 24 bytes: the first 8 bytes of the blob's id as a number, pack number and type,
// offset, length, plain length. The other 24 bytes of the id stand in a second array in the same
// order. Both are sorted by (id, type, pack, offset). Numbers are in the machine's byte order: the
// files are caches and never leave it.
//
// The records are mapped and searched in memory: 24 bytes a blob. The suffixes are mapped too, for
// reading in order, but a search reads the one it needs from the file, so that they do not stay in
// memory.
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
  // Arrays anywhere in memory. REQUIRES: equal lengths.
  IndexRun(std::span<const IndexRecord> records, std::span<const IdSuffix> suffixes)
      : records_(records), suffixes_(suffixes) {}
  // Arrays of a mapping of `file`, which must stay open; the suffixes are at `suffixes_offset`.
  IndexRun(std::span<const IndexRecord> records, std::span<const IdSuffix> suffixes, const Fd& file,
           std::uint64_t suffixes_offset)
      : records_(records),
        suffixes_(suffixes),
        file_(file.get()),
        suffixes_offset_(suffixes_offset) {}

  std::uint64_t size() const { return records_.size(); }
  IndexRow row(std::uint64_t position) const { return {records_[position], suffixes_[position]}; }
  const IndexRecord& record(std::uint64_t position) const { return records_[position]; }

  struct Range {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
  };
  // The copies of a blob. Looks at a suffix only where the first 8 bytes of the id match. A suffix
  // that can not be read from the file matches nothing.
  Range find(const BlobHandle& handle) const;

  // What find() found, without looking at the suffix again.
  IndexedBlob found(std::uint64_t position, const BlobHandle& handle) const {
    const auto& record = records_[position];
    return {handle, record.pack(), record.offset, record.length, record.plain_length};
  }

  // Gives memory back that reading rows in order has filled; what is in the file stays.
  void drop_suffixes(std::uint64_t first, std::uint64_t count) const;
  void drop_records(std::uint64_t first, std::uint64_t count) const;

 private:
  std::uint64_t lower_bound(std::uint64_t prefix) const;
  bool has_suffix(std::uint64_t position, const IdSuffix& suffix) const;

  std::span<const IndexRecord> records_;
  std::span<const IdSuffix> suffixes_;
  int file_ = -1;
  std::uint64_t suffixes_offset_ = 0;
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

// A run and what it is in. Move-only.
struct MappedRun {
  Fd file;
  Mapping mapping;
  IndexRun run;
};

}  // namespace holdfast::repo
