#include "dataset/mongo_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "bson/ext_json.hpp"

namespace holdfast::dataset {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t manifest_bytes_max = std::size_t{64} << 20;
constexpr std::size_t prelude_bytes_max = std::size_t{64} << 10;

bool strip_suffix(std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

struct Part {
  fs::path path;
  Packing packing = Packing::plain;
};

// Where the two files of one collection are.
struct Files {
  std::optional<Part> documents;
  std::optional<Part> metadata;
};

Result<std::string> read_text(const Part& part, std::size_t bytes_max) {
  auto reader = TRY(open_byte_reader(part.path, part.packing));
  Bytes bytes(bytes_max + 1);
  std::size_t size = 0;
  while (size < bytes.size()) {
    const std::size_t got = TRY(reader->read(MutableByteView(bytes).subspan(size)));
    if (got == 0) return std::string(as_text(ByteView(bytes).first(size)));
    size += got;
  }
  return fail(ErrorCode::limit_exceeded,
              fmt::format("{} is larger than {} bytes", part.path.string(), bytes_max));
}

class DirectoryReader final : public DumpReader {
 public:
  explicit DirectoryReader(fs::path root) : root_(std::move(root)) {}

  Result<void> open() {
    const auto entries = TRY(list(root_));
    bool has_loose_documents = false;
    for (const fs::path& path : entries) {
      if (fs::is_directory(path)) {
        TRY(add_database(path));
        continue;
      }
      TRY(add_root_file(path));
      const std::string name = path.filename().string();
      has_loose_documents |=
          name.ends_with(".metadata.json") || name.ends_with(".metadata.json.gz");
    }
    if (collections_.empty() && has_loose_documents)
      return fail(ErrorCode::malformed,
                  fmt::format("{} is the directory of one database: give the directory above it",
                              root_.string()));
    if (collections_.empty() && !facts_.has_oplog)
      return fail(ErrorCode::malformed, fmt::format("{} holds no dump", root_.string()));
    std::sort(collections_.begin(), collections_.end(),
              [](const auto& a, const auto& b) { return a.ns() < b.ns(); });
    return {};
  }

  const DumpFacts& facts() const override { return facts_; }
  const std::vector<MongoCollection>& collections() const override { return collections_; }

  Result<std::unique_ptr<DocumentStream>> documents(const MongoCollection& which) override {
    const Part& part = parts_.at(which.ns());
    auto reader = TRY(open_bson_file(part.path, part.packing));
    return std::unique_ptr<DocumentStream>(std::move(reader));
  }

  Result<std::unique_ptr<DocumentStream>> oplog() override {
    auto reader = TRY(open_bson_file(oplog_.path, oplog_.packing));
    return std::unique_ptr<DocumentStream>(std::move(reader));
  }

 private:
  static Result<std::vector<fs::path>> list(const fs::path& directory) {
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::directory_iterator at(directory, error), end; !error && at != end;
         at.increment(error)) {
      if (paths.size() == 2 * collections_max)
        return fail(ErrorCode::limit_exceeded,
                    fmt::format("{} holds too many files", directory.string()));
      paths.push_back(at->path());
    }
    if (error) return fail_errno("list " + directory.string(), error.value());
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  Result<void> add_root_file(const fs::path& path) {
    std::string name = path.filename().string();
    if (name == "manifest.json") return read_manifest(path);
    const bool packed = strip_suffix(name, ".gz");
    if (name == "prelude.json")
      return read_prelude({path, packed ? Packing::gzip : Packing::plain});
    if (name == "oplog.bson") {
      // mongodump --gzip compresses it without renaming it.
      const Packing packing = TRY(packing_of(path));
      oplog_ = {path, packing};
      facts_.has_oplog = fs::file_size(path) > 0;
      facts_.scope = DumpScope::instance;
    }
    return {};
  }

  Result<void> read_prelude(const Part& part) {
    const std::string text = TRY(read_text(part, prelude_bytes_max));
    const Bytes bytes =
        TRY(bson::parse_ext_json(text).while_doing("reading " + part.path.string()));
    const auto document = bson::Document::trusted(bytes);
    const auto text_of = [&document](std::string_view field) -> std::string {
      const auto value = document.find(field);
      const bool is_text = value && value->type == bson::Type::string;
      return is_text ? std::string(value->as_text()) : std::string();
    };
    facts_.server_version = text_of("ServerVersion");
    facts_.tool_version = text_of("ToolVersion");
    return {};
  }

  static std::optional<bson::Timestamp> moment(bson::Document document, std::string_view field) {
    const auto value = document.find(field);
    if (!value || value->type != bson::Type::document) return std::nullopt;
    const auto seconds = value->as_document().find("t");
    const auto ordinal = value->as_document().find("i");
    const auto t = seconds ? seconds->as_integer() : std::nullopt;
    const auto i = ordinal ? ordinal->as_integer() : std::nullopt;
    const auto fits = [](const auto& number) {
      return number && *number >= 0 && *number <= INT64_C(0xFFFFFFFF);
    };
    if (!fits(t) || !fits(i)) return std::nullopt;
    return bson::Timestamp{static_cast<std::uint32_t>(*t), static_cast<std::uint32_t>(*i)};
  }

  // The recorded layout: {first: {t, i}, last: {t, i}, exact?: true, ...}
  Result<void> read_manifest(const fs::path& path) {
    const std::string text = TRY(read_text({path, Packing::plain}, manifest_bytes_max));
    const Bytes bytes = TRY(bson::parse_ext_json(text).while_doing("reading " + path.string()));
    const auto document = bson::Document::trusted(bytes);
    const auto first = moment(document, "first");
    const auto last = moment(document, "last");
    if (!first || !last || *last < *first)
      return fail(ErrorCode::malformed,
                  fmt::format("{}: 'first' and 'last' are not a window", path.string()));
    const auto exact = document.find("exact");
    const bool is_exact = exact && exact->type == bson::Type::boolean && exact->as_bool();
    if (is_exact && *first != *last)
      return fail(ErrorCode::malformed,
                  fmt::format("{}: an exact state has one moment", path.string()));
    facts_.window = {is_exact ? oplog::BaseKind::exact : oplog::BaseKind::fuzzy, *first, *last};
    facts_.has_system_collections = true;
    return {};
  }

  Result<void> add_database(const fs::path& directory) {
    const std::string db = directory.filename().string();
    if (db.starts_with('.')) return {};  // of no tool's dump; ours keeps its own notes in such
    if (!is_database_name(db))
      return fail(ErrorCode::malformed,
                  fmt::format("{}: not the name of a database", directory.string()));
    std::map<std::string, Files> stems;
    const auto paths = TRY(list(directory));
    for (const fs::path& path : paths) {
      if (fs::is_directory(path)) {
        facts_.notes.push_back(fmt::format("{} is a directory: left out", path.string()));
        continue;
      }
      TRY(add_database_file(path, stems));
    }
    for (const auto& [stem, files] : stems) {
      TRY(add_collection(db, stem, files));
    }
    return {};
  }

  Result<void> add_database_file(const fs::path& path, std::map<std::string, Files>& stems) {
    std::string name = path.filename().string();
    const Packing packing = strip_suffix(name, ".gz") ? Packing::gzip : Packing::plain;
    if (name == "prelude.json") {
      facts_.scope = DumpScope::databases;
      return read_prelude({path, packing});
    }
    if (strip_suffix(name, ".metadata.json"))
      stems[name].metadata = Part{path, packing};
    else if (strip_suffix(name, ".bson"))
      stems[name].documents = Part{path, packing};
    else
      facts_.notes.push_back(fmt::format("{} is no part of a dump: left out", path.string()));
    return {};
  }

  Result<void> add_collection(const std::string& db, const std::string& stem, const Files& files) {
    MongoCollection collection{.db = db, .name = collection_of(stem)};
    collection.has_metadata = files.metadata.has_value();
    collection.has_documents = files.documents.has_value();
    if (files.metadata) {
      const std::string text = TRY(read_text(*files.metadata, metadata_bytes_max));
      TRY(read_metadata(text, collection).while_doing("reading " + files.metadata->path.string()));
    }
    if (collection.is_view()) collection.has_documents = false;
    if (is_node_local(db, collection.name)) {
      facts_.notes.push_back(collection.ns() + " belongs to one node only: left out");
      return {};
    }
    if (collection.has_documents && !parts_.emplace(collection.ns(), *files.documents).second)
      return fail(ErrorCode::malformed,
                  fmt::format("{}: two files for one collection", collection.ns()));
    collections_.push_back(std::move(collection));
    return {};
  }

  fs::path root_;
  DumpFacts facts_;
  std::vector<MongoCollection> collections_;
  std::map<std::string, Part> parts_;
  Part oplog_;
};

}  // namespace

Result<std::unique_ptr<DumpReader>> open_dump_directory(const fs::path& root) {
  auto reader = std::make_unique<DirectoryReader>(root);
  TRY(reader->open());
  return std::unique_ptr<DumpReader>(std::move(reader));
}

}  // namespace holdfast::dataset
