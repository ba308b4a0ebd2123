#pragma once
// Stores blobs: hash, look up, compress, seal, pack, index (docs/repository_format.md A6, A7, A13).
// Checkpoints of the index: index_recorder.hpp.
//
// The calling threads do the work. Nothing is visible to others before its pack and then its index
// file are durable; nothing exists for users before publish_snapshot. A run that is killed leaves
// whole packs, and index files for those stored up to the last checkpoint, which the next run uses.
#include "repo/repository.hpp"

namespace holdfast::repo {

// Whether each blob is opened, decompressed and hashed again before its pack is stored: finds
// faulty memory and processors before bad bytes get into the repository.
enum class ExtraVerify : std::uint8_t { no, yes };

// What save() does when the context says stop: what is stored can be used by a later run, or, for
// the last bit of something that would be lost, it goes on to the end.
enum class OnStop : std::uint8_t { leave, go_on };

struct WriterOptions {
  int compression_level = compression_level_default;
  ExtraVerify extra_verify = ExtraVerify::yes;
  // A pack is stored when the next blob would make it longer. Memory is data_packs_open times this.
  std::size_t data_pack_bytes = std::size_t{16} << 20;
  std::size_t tree_pack_bytes = std::size_t{4} << 20;
  // Data packs filled at a time. Which of them a blob goes to is chance, so that sizes of packs do
  // not tell sizes of chunks (A6 "Mitigation of chunking attacks"). At least 2.
  std::size_t data_packs_open = 2;
  OnStop on_stop = OnStop::leave;
};

struct SavedBlob {
  BlobId id;
  bool was_new = false;            // false: the repository had it, or another call is storing it
  std::uint32_t stored_bytes = 0;  // what it takes in its pack; 0 unless new
};

// Sums over all new blobs of a Writer.
struct WriterTotals {
  std::uint64_t data_blobs = 0;    // count
  std::uint64_t tree_blobs = 0;    // count
  std::uint64_t plain_bytes = 0;   // before compression: a summary's data_added
  std::uint64_t stored_bytes = 0;  // sealed: a summary's data_added_packed
  std::uint64_t packs = 0;         // count
};

// save, save_many, reuse, totals: thread-safe. finish and publish_snapshot: one thread, after the
// savers are done. The repository must outlive it. After a failed put every later call fails.
class Writer {
 public:
  // REQUIRES: repository.load_index() succeeded. Errors: unsupported for a format 1 repository.
  static Result<Writer> make(const Repository& repository, const WriterOptions& options = {});
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  ~Writer();  // what was not finished is dropped

  // Errors: interrupted when the context says stop (then call finish() and leave), limit_exceeded
  // for blobs above blob_plain_bytes_max, corrupt when the extra verification finds a fault, those
  // of the store.
  Result<SavedBlob> save(BlobType type, ByteView plain);

  // The same for many blobs at once: ids are computed sixteen at a time. out[i] belongs to
  // plain[i]. REQUIRES: the spans have the same length.
  Result<void> save_many(BlobType type, std::span<const ByteView> plain, std::span<SavedBlob> out);

  // True if the repository has the blob, which is then counted as used by this run: a snapshot
  // that names it may be published. For files that are unchanged and not read again.
  Result<bool> reuse(const BlobHandle& handle);

  // Stores the open packs and the index of all packs; durable when this returns. Also after
  // `interrupted`. The writer can be used again afterwards.
  Result<WriterTotals> finish();
  WriterTotals totals() const;

  // finish(), then looks at the index files again: blobs used by this run in packs that a prune
  // marked meanwhile are made live; then publishes. Errors: conflict when a used blob is gone.
  Result<SnapshotId> publish_snapshot(const Snapshot& snapshot);

 private:
  class Impl;
  explicit Writer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::repo
