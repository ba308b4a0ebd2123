#include "recover/undo_point.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/builder.hpp"
#include "bson/ext_json.hpp"
#include "dataset/json_fields.hpp"

namespace holdfast::recover {

namespace {

constexpr std::string_view undo_path = ".holdfast/undo.json";
constexpr std::size_t undo_json_bytes_max = std::size_t{16} << 20;
constexpr std::size_t undo_blob_bytes = std::size_t{1} << 20;
constexpr std::uint64_t undo_format = 1;

std::string path_in(std::string_view directory, const NamespaceName& name) {
  dataset::MongoCollection collection;
  collection.db = name.db;
  collection.name = name.collection;
  return fmt::format("{}/{}", directory, dataset::documents_path(collection));
}

std::string json_text(std::string_view text) {
  std::string out;
  bson::append_json_string(text, out);
  return out;
}

class BlobFile final : public dataset::DocumentStream {
 public:
  BlobFile(const repo::Repository& repository, std::vector<repo::BlobId> blobs, std::string name)
      : repository_(repository), blobs_(std::move(blobs)), name_(std::move(name)) {}

  Result<std::optional<ByteView>> next() override {
    while (true) {
      if (documents_) {
        const auto document = TRY(documents_->next());
        if (document) return document;
        documents_.reset();
      }
      if (at_ == blobs_.size()) return std::optional<ByteView>();
      bytes_ = TRY(repository_.load_blob({repo::BlobType::data, blobs_[at_++]})
                       .while_doing("reading " + name_));
      documents_.emplace(bytes_, name_);
    }
  }

 private:
  const repo::Repository& repository_;
  std::vector<repo::BlobId> blobs_;
  std::string name_;
  std::size_t at_ = 0;
  Bytes bytes_;
  std::optional<dataset::BsonBytes> documents_;
};

Result<UndoEntry> decode_entry(ByteView document, std::string_view name) {
  const auto fields = bson::Document::trusted(document);
  const auto id = fields.find("_id");
  const auto sha = fields.find("sha256");
  constexpr std::size_t header_bytes = 5;  // length and subtype
  UndoEntry entry;
  const bool is_whole = id && sha && sha->type == bson::Type::binary &&
                        sha->bytes.size() == header_bytes + entry.sha.size();
  if (!is_whole) return fail(ErrorCode::malformed, fmt::format("an entry of {} is broken", name));
  bson::Builder id_document;
  id_document.append("_id", *id);
  entry.id_document = id_document.take();
  std::copy_n(sha->bytes.data() + header_bytes, entry.sha.size(), entry.sha.begin());
  return entry;
}

}  // namespace

std::string encode_undo(const UndoFacts& facts) {
  std::string rows;
  for (const UndoCollection& each : facts.collections)
    rows += fmt::format("{}{{\"db\":{},\"name\":{},\"inserted\":{},\"replaced\":{}}}",
                        rows.empty() ? "" : ",", json_text(each.name.db),
                        json_text(each.name.collection), each.inserted, each.replaced);
  return fmt::format("{{\"format\":{},\"dataset\":{},\"moment\":{},\"collections\":[{}]}}\n",
                     undo_format, json_text(facts.dataset), json_text(facts.moment), rows);
}

Result<UndoFacts> decode_undo(std::string_view json) {
  const Bytes parsed = TRY(bson::parse_ext_json(json, undo_json_bytes_max));
  const dataset::JsonFields fields(bson::Document::trusted(parsed), undo_path);
  const auto format = TRY(fields.number("format"));
  if (format > undo_format)
    return fail(
        ErrorCode::unsupported,
        fmt::format("the undo point has format {}, this program knows {}", format, undo_format));
  UndoFacts facts;
  facts.dataset = TRY(fields.text("dataset"));
  facts.moment = TRY(fields.text("moment"));
  const auto rows = TRY(fields.list("collections"));
  for (const auto& row : rows) {
    if (row.value.type != bson::Type::document) return fields.wrong("collections");
    const dataset::JsonFields each(row.value.as_document(), "collections");
    UndoCollection collection;
    collection.name.db = TRY(each.text("db"));
    collection.name.collection = TRY(each.text("name"));
    collection.inserted = TRY(each.number("inserted"));
    collection.replaced = TRY(each.number("replaced"));
    facts.collections.push_back(std::move(collection));
  }
  return facts;
}

UndoPointWriter::UndoPointWriter(const repo::Repository& repository, repo::Writer& writer,
                                 const catalog::DatasetLabel& label, std::string moment)
    : writer_(writer), snapshot_(repository, writer, label, undo_tag) {
  facts_.dataset = label.dataset;
  facts_.moment = std::move(moment);
}

Result<void> UndoPointWriter::begin(const NamespaceName& name) {
  TRY(end_collection());
  facts_.collections.push_back({.name = name});
  return {};
}

void UndoPointWriter::describe(ByteView document) {
  const auto sha = sha_.of(document);
  bson::Builder entry;
  if (const auto id = bson::Document::trusted(document).find("_id")) entry.append("_id", *id);
  entry.append_binary("sha256", 0, sha);
  described_ = entry.take();
}

Result<void> UndoPointWriter::add_inserted(ByteView document) {
  ++facts_.collections.back().inserted;
  describe(document);
  return add(inserted_, described_);
}

Result<void> UndoPointWriter::add_replaced(ByteView before, ByteView after) {
  ++facts_.collections.back().replaced;
  TRY(add(replaced_, before));
  describe(after);
  return add(written_, described_);
}

Result<void> UndoPointWriter::add(File& file, ByteView document) {
  append(file.pending, document);
  return file.pending.size() < undo_blob_bytes ? Result<void>() : cut(file);
}

Result<void> UndoPointWriter::cut(File& file) {
  if (file.pending.empty()) return {};
  const auto saved = TRY(writer_.save(repo::BlobType::data, file.pending));
  file.blobs.push_back(saved.id);
  file.bytes += file.pending.size();
  file.pending.clear();
  return {};
}

Result<void> UndoPointWriter::keep(File& file, std::string_view directory) {
  TRY(cut(file));
  if (!file.blobs.empty())
    snapshot_.tree().add_file(path_in(directory, facts_.collections.back().name),
                              std::move(file.blobs), file.bytes);
  file = {};
  return {};
}

Result<void> UndoPointWriter::end_collection() {
  if (facts_.collections.empty()) return {};
  TRY(keep(inserted_, "inserted"));
  TRY(keep(replaced_, "replaced"));
  return keep(written_, "written");
}

Result<repo::SnapshotId> UndoPointWriter::publish() {
  TRY(end_collection());
  TRY(snapshot_.add_text(undo_path, as_bytes(encode_undo(facts_))));
  return snapshot_.publish();
}

Result<UndoPoint> UndoPoint::open(const repo::Repository& repository,
                                  const repo::StoredSnapshot& stored) {
  const auto& tags = stored.snapshot.tags;
  if (std::find(tags.begin(), tags.end(), undo_tag) == tags.end())
    return fail(ErrorCode::usage,
                fmt::format("snapshot {} is no undo point", stored.id.short_hex()));
  UndoPoint point(repository, stored.snapshot.tree);
  const Bytes json = TRY(point.files_.read(undo_path, undo_json_bytes_max));
  point.facts_ = TRY(decode_undo(as_text(json)));
  return point;
}

Result<std::unique_ptr<dataset::DocumentStream>> UndoPoint::documents(std::string_view directory,
                                                                      const NamespaceName& name) {
  const std::string path = path_in(directory, name);
  auto node = TRY(files_.find(path));
  std::vector<repo::BlobId> blobs;
  if (node) blobs = std::move(node->content);
  return std::unique_ptr<dataset::DocumentStream>(
      std::make_unique<BlobFile>(*repository_, std::move(blobs), path));
}

Result<void> UndoPoint::for_each_inserted(
    const UndoCollection& collection, const std::function<Result<void>(const UndoEntry&)>& take) {
  const auto entries = TRY(documents("inserted", collection.name));
  while (true) {
    const auto next = TRY(entries->next());
    if (!next) return {};
    const UndoEntry entry = TRY(decode_entry(*next, collection.name.ns()));
    TRY(take(entry));
  }
}

Result<void> UndoPoint::for_each_replaced(
    const UndoCollection& collection,
    const std::function<Result<void>(const UndoEntry&, ByteView)>& take) {
  const auto entries = TRY(documents("written", collection.name));
  const auto before = TRY(documents("replaced", collection.name));
  while (true) {
    const auto next = TRY(entries->next());
    const auto old = TRY(before->next());
    if (!next && !old) return {};
    if (!next || !old)
      return fail(ErrorCode::corrupt,
                  fmt::format("the undo point of {} is not whole", collection.name.ns()));
    const UndoEntry entry = TRY(decode_entry(*next, collection.name.ns()));
    TRY(take(entry, *old));
  }
}

}  // namespace holdfast::recover
