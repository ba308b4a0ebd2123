#pragma once
// What a put-back changes, stored in the repository before it is done: a snapshot of kind `undo`
// with hashes of what is written and the documents that it replaces (docs/mongodump_format.md 6).
#include <functional>
#include <memory>

#include "catalog/dataset_snapshot.hpp"
#include "dataset/mongo_stream.hpp"
#include "recover/namespace_choice.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::recover {

constexpr std::string_view undo_tag = "kind=undo";

struct UndoCollection {
  NamespaceName name;  // on the server
  std::uint64_t inserted = 0;
  std::uint64_t replaced = 0;
};

struct UndoFacts {
  std::string dataset;
  std::string moment;  // that was put back, for a person
  std::vector<UndoCollection> collections;
};

std::string encode_undo(const UndoFacts& facts);
// Errors: malformed, unsupported (a later format).
Result<UndoFacts> decode_undo(std::string_view json);

// One thread. begin() each collection, add its documents, then publish() once.
class UndoPointWriter {
 public:
  UndoPointWriter(const repo::Repository& repository, repo::Writer& writer,
                  const catalog::DatasetLabel& label, std::string moment);

  Result<void> begin(const NamespaceName& name);
  Result<void> add_inserted(ByteView document);
  Result<void> add_replaced(ByteView before, ByteView after);
  Result<repo::SnapshotId> publish();

 private:
  // A file that grows, cut into blobs of whole documents.
  struct File {
    Bytes pending;
    std::vector<repo::BlobId> blobs;
    std::uint64_t bytes = 0;
  };

  Result<void> add(File& file, ByteView document);
  Result<void> cut(File& file);
  Result<void> keep(File& file, std::string_view directory);
  Result<void> end_collection();
  void describe(ByteView document);

  repo::Writer& writer_;
  catalog::DatasetSnapshot snapshot_;
  UndoFacts facts_;
  bson::Sha256 sha_;
  Bytes described_;
  File inserted_;
  File replaced_;
  File written_;
};

// {_id, sha256} of one written document.
struct UndoEntry {
  Bytes id_document;  // {_id: …}
  std::array<std::uint8_t, 32> sha{};
};

// One thread. The repository must outlive it, with its index loaded.
class UndoPoint {
 public:
  // Error usage: the snapshot is no undo point.
  static Result<UndoPoint> open(const repo::Repository& repository,
                                const repo::StoredSnapshot& stored);

  const UndoFacts& facts() const { return facts_; }
  Result<void> for_each_inserted(const UndoCollection& collection,
                                 const std::function<Result<void>(const UndoEntry&)>& take);
  Result<void> for_each_replaced(
      const UndoCollection& collection,
      const std::function<Result<void>(const UndoEntry&, ByteView before)>& take);

 private:
  UndoPoint(const repo::Repository& repository, const repo::BlobId& tree)
      : repository_(&repository), files_(repository, tree) {}
  Result<std::unique_ptr<dataset::DocumentStream>> documents(std::string_view directory,
                                                             const NamespaceName& name);

  const repo::Repository* repository_;
  repo::SnapshotFiles files_;
  UndoFacts facts_;
};

}  // namespace holdfast::recover
