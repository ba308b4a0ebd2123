#include "backup/partial_base.hpp"

#include <fmt/format.h>

#include "bson/builder.hpp"
#include "catalog/recorded_segments.hpp"
#include "dataset/mongo_stream.hpp"
#include "repo/snapshot_files.hpp"

namespace holdfast::backup {

namespace {

constexpr std::string_view list_path = ".holdfast/partial.bson";
constexpr std::int64_t partial_format = 1;
constexpr std::size_t list_bytes_max = std::size_t{256} << 20;
constexpr std::size_t entries_bytes_max = std::size_t{256} << 20;
constexpr std::uint8_t uuid_subtype = 4;

std::string range_path(std::size_t collection, std::size_t range, std::string_view ending) {
  return fmt::format("ranges/{}/{}.{}", collection, range, ending);
}

Bytes encode_header(const PartialBase& partial) {
  bson::Builder out;
  out.append_int64("format", partial_format);
  out.append_text("server", partial.server);
  out.append_int64("started", std::chrono::duration_cast<std::chrono::milliseconds>(
                                  partial.started.time_since_epoch())
                                  .count());
  if (partial.window_first) out.append_timestamp("first", *partial.window_first);
  return out.take();
}

Bytes encode_copy(const CollectionCopy& copy) {
  bson::Builder out;
  out.append_text("db", copy.facts.db);
  out.append_text("name", copy.facts.name);
  if (copy.facts.uuid) out.append_binary("uuid", uuid_subtype, copy.facts.uuid->bytes);
  out.append_bool("natural", copy.order == dataset::StoredOrder::natural);
  out.append_bool("sorted", copy.way == CopyWay::sorted);
  out.append_int64("duplicates", static_cast<std::int64_t>(copy.duplicate_count));
  out.begin_array("bounds");
  for (std::size_t at = 0; at < copy.bounds.size(); ++at)
    out.append_document(std::to_string(at), bson::Document::trusted(copy.bounds[at]));
  out.end();
  out.begin_array("done");
  int number = 0;
  for (std::size_t at = 0; at < copy.stored.size(); ++at)
    if (copy.stored[at].is_done)
      out.append_int64(std::to_string(number++), static_cast<std::int64_t>(at));
  out.end();
  return out.take();
}

Result<void> add_range(catalog::DatasetSnapshot& snapshot, const StoredRange& stored,
                       std::size_t collection, std::size_t range) {
  TRY(snapshot.add_text(range_path(collection, range, "index"), stored.entries));
  if (!stored.entries_behind.empty())
    TRY(snapshot.add_text(range_path(collection, range, "behind"), stored.entries_behind));
  std::vector<repo::BlobId> blobs;
  std::uint64_t bytes = 0;
  for (const Bytes* entries : {&stored.entries, &stored.entries_behind}) {
    dataset::BsonBytes reader(*entries, "chunk index");
    while (true) {
      const auto raw = TRY(reader.next());
      if (!raw) break;
      const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(*raw)));
      blobs.push_back({entry.name});
      bytes += entry.bytes;
    }
  }
  snapshot.tree().add_file(range_path(collection, range, "bson"), std::move(blobs), bytes);
  return {};
}

class PartialReader {
 public:
  PartialReader(const repo::Repository& repository, const repo::StoredSnapshot& stored,
                repo::Writer& writer)
      : files_(repository, stored.snapshot.tree), writer_(writer) {}

  Result<PartialBase> read() {
    const Bytes list = TRY(files_.read(list_path, list_bytes_max));
    dataset::BsonBytes documents(list, std::string(list_path));
    const auto header = TRY(documents.next());
    if (!header) return wrong();
    TRY(read_header(bson::Document::trusted(*header)));
    while (true) {
      const auto document = TRY(documents.next());
      if (!document) return std::move(partial_);
      TRY(read_copy(bson::Document::trusted(*document)));
    }
  }

 private:
  static tl::unexpected<Error> wrong() {
    return fail(ErrorCode::malformed, "the list of what an unfinished copy has stored is broken");
  }

  static bool is(const std::optional<bson::Value>& value, bson::Type type) {
    return value && value->type == type;
  }

  Result<void> read_header(bson::Document header) {
    const auto format = header.find("format");
    const auto server = header.find("server");
    const auto started = header.find("started");
    if (!format || format->as_integer() != partial_format || !is(server, bson::Type::string) ||
        !is(started, bson::Type::int64))
      return wrong();
    partial_.server = server->as_text();
    partial_.started = WallTime(std::chrono::milliseconds(started->as_int64()));
    const auto first = header.find("first");
    if (is(first, bson::Type::timestamp)) partial_.window_first = first->as_timestamp();
    return {};
  }

  Result<void> read_copy(bson::Document document) {
    CollectionCopy copy;
    const auto db = document.find("db");
    const auto name = document.find("name");
    const auto natural = document.find("natural");
    const auto sorted = document.find("sorted");
    const auto bounds = document.find("bounds");
    const auto done = document.find("done");
    if (!is(db, bson::Type::string) || !is(name, bson::Type::string) ||
        !is(natural, bson::Type::boolean) || !is(sorted, bson::Type::boolean) ||
        !is(bounds, bson::Type::array) || !is(done, bson::Type::array))
      return wrong();
    copy.facts.db = db->as_text();
    copy.facts.name = name->as_text();
    if (const auto uuid = document.find("uuid"))
      copy.facts.uuid = TRY(oplog::Uuid::from_value(*uuid));
    if (natural->as_bool()) copy.order = dataset::StoredOrder::natural;
    if (const auto duplicates = document.find("duplicates"))
      copy.duplicate_count = static_cast<std::uint64_t>(duplicates->as_integer().value_or(0));
    std::vector<Bytes> usable;
    for (const auto& bound : bounds->as_document()) {
      if (bound.value.type != bson::Type::document || bound.value.as_document().is_empty())
        return wrong();
      usable.push_back(to_bytes(bound.value.bytes));
    }
    if (usable.size() > dataset::ranges_max) return wrong();
    if (dataset::usable_bounds(usable) != usable) return wrong();
    if (sorted->as_bool())
      copy.set_sorted();
    else
      copy.set_bounds(std::move(usable));
    for (const auto& number : done->as_document()) TRY(read_range(copy, number.value));
    partial_.collections.push_back(std::move(copy));
    return {};
  }

  Result<void> read_range(CollectionCopy& copy, const bson::Value& number) {
    const auto range = number.as_integer();
    if (!range || *range < 0 || static_cast<std::size_t>(*range) >= copy.stored.size())
      return wrong();
    const auto at = static_cast<std::size_t>(*range);
    const std::size_t collection = partial_.collections.size();
    StoredRange stored;
    stored.entries = TRY(files_.read(range_path(collection, at, "index"), entries_bytes_max));
    const auto behind = TRY(files_.find(range_path(collection, at, "behind")));
    if (behind)
      stored.entries_behind =
          TRY(files_.read(range_path(collection, at, "behind"), entries_bytes_max));
    const bool is_there = TRY(has_blobs(stored.entries));
    const bool is_behind_there = TRY(has_blobs(stored.entries_behind));
    stored.is_done = is_there && is_behind_there;
    stored.is_resumed = stored.is_done;
    if (stored.is_done) copy.stored[at] = std::move(stored);
    return {};
  }

  Result<bool> has_blobs(ByteView entries) {
    dataset::BsonBytes reader(entries, "chunk index");
    while (true) {
      const auto raw = TRY(reader.next());
      if (!raw) return true;
      const auto entry = TRY(dataset::decode_chunk_entry(bson::Document::trusted(*raw)));
      const bool is_there = TRY(writer_.reuse({repo::BlobType::data, {entry.name}}));
      if (!is_there) return false;
    }
  }

  repo::SnapshotFiles files_;
  repo::Writer& writer_;
  PartialBase partial_;
};

}  // namespace

Result<std::optional<PartialBase>> load_partial(const repo::Repository& repository,
                                                const std::vector<repo::StoredSnapshot>& snapshots,
                                                std::string_view dataset, repo::Writer& writer) {
  std::optional<PartialBase> newest;
  std::vector<repo::SnapshotId> all;
  for (const repo::StoredSnapshot& stored : snapshots) {
    const bool is_ours = catalog::has_tag(stored.snapshot, dataset::dataset_tag(dataset)) &&
                         catalog::has_tag(stored.snapshot, partial_tag);
    if (!is_ours) continue;
    all.push_back(stored.id);
    auto partial = PartialReader(repository, stored, writer).read();
    if (partial.has_value())
      newest = std::move(*partial);
    else
      repository.context().log.warn("what a run before has stored can not be used: " +
                                    describe(partial.error()));
  }
  if (all.empty()) return std::optional<PartialBase>();
  if (!newest) newest.emplace();
  newest->snapshots = std::move(all);
  return newest;
}

Result<void> publish_partial(const repo::Repository& repository, repo::Writer& writer,
                             const catalog::DatasetLabel& label, PartialBase& partial) {
  catalog::DatasetSnapshot snapshot(repository, writer, label, partial_tag);
  Bytes list = encode_header(partial);
  for (std::size_t at = 0; at < partial.collections.size(); ++at) {
    const CollectionCopy& copy = partial.collections[at];
    append(list, encode_copy(copy));
    for (std::size_t range = 0; range < copy.stored.size(); ++range)
      if (copy.stored[range].is_done) TRY(add_range(snapshot, copy.stored[range], at, range));
  }
  TRY(snapshot.add_text(list_path, list));
  if (partial.window_first) snapshot.add_moment_tag("from", *partial.window_first);
  const auto id = TRY(snapshot.publish());
  std::erase(partial.snapshots, id);
  TRY(remove_partial(repository, partial));
  partial.snapshots = {id};
  return {};
}

Result<void> remove_partial(const repo::Repository& repository, PartialBase& partial) {
  while (!partial.snapshots.empty()) {
    TRY(repository.remove_snapshot(partial.snapshots.back()));
    partial.snapshots.pop_back();
  }
  return {};
}

}  // namespace holdfast::backup
