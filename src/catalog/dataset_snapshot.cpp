#include "catalog/dataset_snapshot.hpp"

#include <fmt/format.h>

namespace holdfast::catalog {

namespace {

// "/mongodb/shop", "/mongodb/shop/segments"
std::string path_of(const std::string& dataset, std::string_view kind) {
  std::string path = "/mongodb/" + dataset;
  if (kind == dataset::base_tag) return path;
  return fmt::format("{}/{}", path, kind.substr(kind.find('=') + 1));
}

}  // namespace

DatasetSnapshot::DatasetSnapshot(const repo::Repository& repository, repo::Writer& writer,
                                 const DatasetLabel& label, std::string_view kind)
    : repository_(repository),
      writer_(writer),
      start_(label.start),
      tree_(repo::make_node_time(label.start)) {
  snapshot_.time = repo::make_node_time(label.start);
  snapshot_.paths = {path_of(label.dataset, kind)};
  snapshot_.hostname = label.author.hostname;
  snapshot_.username = label.author.username;
  snapshot_.uid = label.author.uid;
  snapshot_.gid = label.author.gid;
  snapshot_.program_version = label.author.program_version;
  snapshot_.tags = label.tags;
  snapshot_.tags.push_back(dataset::dataset_tag(label.dataset));
  snapshot_.tags.emplace_back(kind);
}

void DatasetSnapshot::add_tags(const std::vector<std::string>& tags) {
  snapshot_.tags.insert(snapshot_.tags.end(), tags.begin(), tags.end());
}

void DatasetSnapshot::add_moment_tag(std::string_view name, oplog::Timestamp at) {
  snapshot_.tags.push_back(fmt::format("{}={}.{}", name, at.seconds, at.ordinal));
}

repo::SnapshotSummary DatasetSnapshot::make_summary() const {
  const repo::WriterTotals totals = writer_.totals();
  repo::SnapshotSummary summary;
  summary.backup_start = repo::make_node_time(start_);
  summary.backup_end = repo::make_node_time(repository_.context().clock.now());
  summary.files_new = tree_.file_count();
  summary.data_blobs = totals.data_blobs;
  summary.tree_blobs = totals.tree_blobs;
  summary.data_added = totals.plain_bytes;
  summary.data_added_packed = totals.stored_bytes;
  summary.total_files_processed = tree_.file_count();
  summary.total_bytes_processed = tree_.byte_count();
  return summary;
}

Result<repo::SnapshotId> DatasetSnapshot::publish() {
  snapshot_.tree = TRY(tree_.save(writer_));
  summary_ = make_summary();
  snapshot_.summary = summary_;
  return TRY(writer_.publish_snapshot(snapshot_));
}

}  // namespace holdfast::catalog
