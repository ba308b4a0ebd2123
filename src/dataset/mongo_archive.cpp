#include "dataset/mongo_archive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "dataset/crc64.hpp"
#include "dataset/temp_file.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::size_t terminator_bytes = 4;
constexpr std::size_t extent_bytes_max = std::size_t{1} << 20;
constexpr std::size_t extent_header_bytes = 16;  // where the next extent is, how long this one is

using Namespace = std::pair<std::string, std::string>;

// Where the documents of one namespace are in the temporary file: a chain of extents.
struct Chain {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool has_extents = false;
  bool is_complete = false;
  Crc64 crc;
};

// Pulls the bytes of one chain. The file outlives it.
class ChainReader final : public ByteReader {
 public:
  ChainReader(int file, const Chain& chain) : file_(file) {
    next_ = chain.has_extents ? chain.first : 0;
    has_next_ = chain.has_extents;
  }

  Result<std::size_t> read(MutableByteView out) override {
    while (left_ == 0) {
      if (!has_next_) return std::size_t{0};
      TRY(enter());
    }
    const auto part = out.first(std::min<std::size_t>(out.size(), left_));
    TRY(read_whole(part, at_));
    at_ += part.size();
    left_ -= part.size();
    return part.size();
  }

 private:
  Result<void> enter() {
    std::uint8_t header[extent_header_bytes];
    TRY(read_whole(header, next_));
    at_ = next_ + extent_header_bytes;
    left_ = load_le<std::uint64_t>(header + 8);
    next_ = load_le<std::uint64_t>(header);
    has_next_ = next_ != 0;
    return {};
  }

  Result<void> read_whole(MutableByteView out, std::uint64_t offset) {
    const std::size_t got = TRY(read_up_to_at(file_, out, offset));
    if (got != out.size()) return fail(ErrorCode::io, "a temporary file is shorter than written");
    return {};
  }

  int file_;
  std::uint64_t next_ = 0;
  bool has_next_ = false;
  std::uint64_t at_ = 0;
  std::uint64_t left_ = 0;
};

// Writes extents one after the other and links each to the one before it of its chain.
class ExtentWriter {
 public:
  explicit ExtentWriter(int file) : file_(file) {}

  Result<void> append(Chain& chain, ByteView document) {
    holdfast::append(pending_, document);
    return pending_.size() >= extent_bytes_max ? flush(chain) : Result<void>();
  }

  Result<void> flush(Chain& chain) {
    if (pending_.empty()) return {};
    std::uint8_t header[extent_header_bytes] = {};
    store_le<std::uint64_t>(header + 8, pending_.size());
    TRY(write_all_at(file_, header, end_));
    TRY(write_all_at(file_, pending_, end_ + extent_header_bytes));
    if (chain.has_extents) {
      std::uint8_t link[8];
      store_le(link, end_);
      TRY(write_all_at(file_, link, chain.last));
    } else {
      chain.first = end_;
    }
    chain.has_extents = true;
    chain.last = end_;
    end_ += extent_header_bytes + pending_.size();
    pending_.clear();
    return {};
  }

 private:
  int file_;
  std::uint64_t end_ = 0;
  Bytes pending_;
};

class ArchiveReader final : public DumpReader {
 public:
  ArchiveReader(std::string name, Fd temp_file)
      : name_(std::move(name)), temp_file_(std::move(temp_file)) {}

  Result<void> open(BsonReader& reader) {
    TRY(read_header(reader));
    TRY(read_prelude(reader));
    TRY(read_segments(reader));
    return finish();
  }

  const DumpFacts& facts() const override { return facts_; }
  const std::vector<MongoCollection>& collections() const override { return collections_; }

  Result<std::unique_ptr<DocumentStream>> documents(const MongoCollection& which) override {
    return stream_of({which.db, which.name});
  }
  Result<std::unique_ptr<DocumentStream>> oplog() override { return stream_of(oplog_namespace); }

 private:
  static inline const Namespace oplog_namespace{"", "oplog"};

  std::unique_ptr<DocumentStream> stream_of(const Namespace& which) {
    const std::string label = fmt::format("{} ({}.{})", name_, which.first, which.second);
    auto bytes = std::make_unique<ChainReader>(temp_file_.get(), chains_[which]);
    return std::make_unique<BsonReader>(std::move(bytes), label);
  }

  static std::string text_of(bson::Document document, std::string_view field) {
    const auto value = document.find(field);
    if (!value || value->type != bson::Type::string) return {};
    return std::string(value->as_text());
  }

  Result<bool> take_terminator(BsonReader& reader) {
    const ByteView head = TRY(reader.peek(terminator_bytes));
    if (head.size() < terminator_bytes) return reader.broken("the archive is cut off");
    if (load_le<std::uint32_t>(head.data()) != archive_terminator) return false;
    reader.skip(terminator_bytes);
    return true;
  }

  Result<bson::Document> take_document(BsonReader& reader) {
    const auto document = TRY(reader.next());
    if (!document) return reader.broken("the archive is cut off");
    return bson::Document::trusted(*document);
  }

  Result<void> read_header(BsonReader& reader) {
    const ByteView magic = TRY(reader.peek(terminator_bytes));
    if (magic.size() < terminator_bytes || load_le<std::uint32_t>(magic.data()) != archive_magic)
      return reader.broken("no archive of mongodump");
    reader.skip(terminator_bytes);
    const bson::Document header = TRY(take_document(reader));
    if (text_of(header, "version") != archive_version)
      return fail(ErrorCode::unsupported, fmt::format("{}: archive version '{}' is not known",
                                                      name_, text_of(header, "version")));
    facts_.server_version = text_of(header, "server_version");
    facts_.tool_version = text_of(header, "tool_version");
    facts_.scope = DumpScope::databases;
    return {};
  }

  Result<void> read_prelude(BsonReader& reader) {
    while (true) {
      const bool done = TRY(take_terminator(reader));
      if (done) return {};
      if (chains_.size() == collections_max)
        return reader.broken(fmt::format("more than {} collections", collections_max));
      const bson::Document entry = TRY(take_document(reader));
      TRY(add_collection(reader, entry));
    }
  }

  Result<void> add_collection(BsonReader& reader, bson::Document entry) {
    MongoCollection collection{.db = text_of(entry, "db"), .name = text_of(entry, "collection")};
    const Namespace key{collection.db, collection.name};
    if (!chains_.try_emplace(key).second) return reader.broken("a collection is listed twice");
    if (key == oplog_namespace) {
      facts_.has_oplog = true;
      facts_.scope = DumpScope::instance;
      return {};
    }
    if (!is_database_name(collection.db) || collection.name.empty())
      return reader.broken("a collection without a proper name");
    const std::string metadata = text_of(entry, "metadata");
    collection.has_metadata = !metadata.empty();
    const std::string type = text_of(entry, "type");
    if (!type.empty()) collection.type = type;
    if (collection.has_metadata)
      TRY(read_metadata(metadata, collection).while_doing("reading " + name_));
    collection.name = key.second;
    collection.has_documents = !collection.is_view() && collection.type != "timeseries";
    if (is_node_local(collection.db, collection.name)) {
      facts_.notes.push_back(collection.ns() + " belongs to one node only: left out");
      return {};
    }
    collections_.push_back(std::move(collection));
    return {};
  }

  Result<void> read_segments(BsonReader& reader) {
    ExtentWriter extents(temp_file_.get());
    while (true) {
      const ByteView head = TRY(reader.peek(1));
      if (head.empty()) return {};
      const std::uint64_t at = reader.offset();
      const bson::Document header = TRY(take_document(reader));
      const Namespace key{text_of(header, "db"), text_of(header, "collection")};
      const auto chain = chains_.find(key);
      const std::string label = fmt::format("{}.{}", key.first, key.second);
      if (chain == chains_.end() || chain->second.is_complete)
        return fail(ErrorCode::malformed,
                    fmt::format("{}: a segment of {}, which is {}, at offset {}", name_, label,
                                chain == chains_.end() ? "not listed" : "complete", at));
      const auto end = header.find("EOF");
      const bool is_end = end && end->type == bson::Type::boolean && end->as_bool();
      if (is_end)
        TRY(close_chain(reader, chain->second, header.find("CRC"), label));
      else
        TRY(read_segment(reader, chain->second, extents));
    }
  }

  Result<void> read_segment(BsonReader& reader, Chain& chain, ExtentWriter& extents) {
    while (true) {
      const bool done = TRY(take_terminator(reader));
      if (done) return extents.flush(chain);
      const bson::Document document = TRY(take_document(reader));
      chain.crc.update(document.bytes());
      TRY(extents.append(chain, document.bytes()));
    }
  }

  Result<void> close_chain(BsonReader& reader, Chain& chain, std::optional<bson::Value> crc,
                           const std::string& label) {
    if (!crc || crc->type != bson::Type::int64) return reader.broken("a collection has no CRC");
    const auto wanted = static_cast<std::uint64_t>(crc->as_int64());
    if (chain.crc.value() != wanted)
      return fail(ErrorCode::corrupt,
                  fmt::format("{}: the documents of {} have CRC {:016x}, not {:016x}, at offset {}",
                              name_, label, chain.crc.value(), wanted, reader.offset()));
    chain.is_complete = true;
    const bool done = TRY(take_terminator(reader));
    if (!done) return reader.broken("documents follow the end of a collection");
    return {};
  }

  Result<void> finish() {
    for (const auto& [key, chain] : chains_) {
      if (!chain.is_complete)
        return fail(ErrorCode::corrupt, fmt::format("{}: {}.{} has no end: the archive is cut off",
                                                    name_, key.first, key.second));
    }
    std::sort(collections_.begin(), collections_.end(),
              [](const auto& a, const auto& b) { return a.ns() < b.ns(); });
    return {};
  }

  std::string name_;
  Fd temp_file_;
  DumpFacts facts_;
  std::vector<MongoCollection> collections_;
  std::map<Namespace, Chain> chains_;
};

}  // namespace

Result<std::optional<Packing>> find_archive(const std::filesystem::path& path) {
  const Packing packing = TRY(packing_of(path));
  auto bytes = TRY(open_byte_reader(path, packing));
  std::uint8_t head[terminator_bytes];
  const std::size_t got = TRY(bytes->read(head));
  if (got != sizeof head || load_le<std::uint32_t>(head) != archive_magic)
    return std::optional<Packing>();
  return std::optional<Packing>(packing);
}

Result<std::unique_ptr<DumpReader>> open_dump_archive(const std::filesystem::path& path,
                                                      const std::filesystem::path& temp_directory) {
  const auto packing = TRY(find_archive(path));
  if (!packing)
    return fail(
        ErrorCode::malformed,
        fmt::format("{} is neither a directory nor an archive of mongodump", path.string()));
  Fd temp_file = TRY(make_temp_file(temp_directory));
  auto bytes = TRY(open_byte_reader(path, *packing));
  BsonReader reader(std::move(bytes), path.string());
  auto archive = std::make_unique<ArchiveReader>(path.string(), std::move(temp_file));
  TRY(archive->open(reader));
  return std::unique_ptr<DumpReader>(std::move(archive));
}

}  // namespace holdfast::dataset
