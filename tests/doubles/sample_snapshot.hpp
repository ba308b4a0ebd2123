#pragma once
// Puts small made-up directories into a repository, without a file system.
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "repo/tree.hpp"
#include "repo/writer.hpp"

namespace holdfast::test {

// Path ("shop/orders.bson") to contents.
using SampleFiles = std::map<std::string, std::string>;

// Files are cut every so many bytes, so that small ones have several blobs too.
constexpr std::size_t sample_chunk_bytes = 3000;

inline SampleFiles make_sample_files(Rng& rng, int count) {
  SampleFiles files;
  for (int i = 0; i < count; ++i) {
    std::string text;
    const auto words = rng.below(2000);
    for (std::uint64_t word = 0; word < words; ++word)
      text += std::to_string(rng.below(100'000)) + " ";
    files["shop/part" + std::to_string(i % 3) + "/file" + std::to_string(i)] = text;
  }
  files["shop/orders.bson"] = std::string(9000, 'o') + std::to_string(rng.next());
  return files;
}

class SampleSaver {
 public:
  explicit SampleSaver(repo::Writer& writer) : writer_(writer) {}

  // The tree of what is below `prefix` ("" or "shop/").
  repo::BlobId save_tree(const SampleFiles& files, const std::string& prefix) {
    repo::TreeEncoder tree;
    std::string done;
    for (const auto& [path, contents] : files) {
      if (!path.starts_with(prefix)) continue;
      const std::string rest = path.substr(prefix.size());
      const std::string name = rest.substr(0, rest.find('/'));
      if (name == done) continue;
      done = name;
      repo::Node node;
      node.name = name;
      if (name == rest) {
        node.size = contents.size();
        node.content = save_contents(contents);
      } else {
        node.type = repo::NodeType::dir;
        node.has_content = false;
        node.subtree = save_tree(files, prefix + name + "/");
      }
      const auto added = tree.add(node);
      REQUIRE(added.has_value());
    }
    return save(repo::BlobType::tree, tree.finish());
  }

 private:
  std::vector<repo::BlobId> save_contents(std::string_view contents) {
    std::vector<repo::BlobId> ids;
    for (; !contents.empty(); contents.remove_prefix(std::min(sample_chunk_bytes, contents.size())))
      ids.push_back(save(repo::BlobType::data, as_bytes(contents.substr(0, sample_chunk_bytes))));
    return ids;
  }
  repo::BlobId save(repo::BlobType type, ByteView plain) {
    const auto saved = writer_.save(type, plain);
    REQUIRE_MESSAGE(saved.has_value(), (saved.has_value() ? "" : describe(saved.error())));
    return saved->id;
  }

  repo::Writer& writer_;
};

// One backup: loads the index, stores what is new, publishes. Errors only from publishing.
inline Result<repo::SnapshotId> save_sample(repo::Repository& repository, const SampleFiles& files,
                                            const repo::WriterOptions& options = {}) {
  TRY(repository.load_index());
  auto writer = TRY(repo::Writer::make(repository, options));
  SampleSaver saver(writer);
  repo::Snapshot snapshot;
  snapshot.time = repo::make_node_time(repository.context().clock.now());
  snapshot.tree = saver.save_tree(files, "");
  snapshot.paths = {"/shop"};
  snapshot.hostname = "test";
  return writer.publish_snapshot(snapshot);
}

}  // namespace holdfast::test
