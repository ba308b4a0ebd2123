#include "dataset/mongo_dump_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "bson/builder.hpp"
#include "bson/ext_json.hpp"
#include "dataset/crc64.hpp"
#include "dataset/mongo_archive.hpp"
#include "dataset/temp_file.hpp"

namespace holdfast::dataset {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view partial_suffix = ".holdfast-partial";
constexpr std::string_view tool_version = "holdfast";

Result<void> sync_directory(const fs::path& path) {
  const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0)
    return fail_errno("sync " + path.string(), errno);
  return {};
}

fs::path parent_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// The name beside the target under which the dump grows. Removes itself unless it was renamed.
class PartialPath {
 public:
  explicit PartialPath(fs::path target)
      : target_(std::move(target)), partial_(target_.string() + std::string(partial_suffix)) {}
  PartialPath(const PartialPath&) = delete;
  PartialPath& operator=(const PartialPath&) = delete;
  ~PartialPath() {
    std::error_code ignored;
    if (is_ours_) fs::remove_all(partial_, ignored);
  }

  const fs::path& path() const { return partial_; }

  // What a killed run left under our name is removed.
  Result<void> claim() {
    std::error_code error;
    fs::create_directories(parent_of(target_), error);
    fs::remove_all(partial_, error);
    if (error) return fail_errno("remove " + partial_.string(), error.value());
    is_ours_ = true;
    return {};
  }

  Result<void> publish() {
    if (::rename(partial_.c_str(), target_.c_str()) != 0)
      return fail_errno("rename to " + target_.string(), errno);
    is_ours_ = false;
    return sync_directory(parent_of(target_));
  }

 private:
  fs::path target_;
  fs::path partial_;
  bool is_ours_ = false;
};

Result<void> write_whole(const fs::path& path, Packing packing, std::string_view text) {
  auto writer = TRY(open_byte_writer(path, packing));
  TRY(writer->write(as_bytes(text)));
  return writer->finish();
}

class DirectoryWriter final : public DumpWriter {
 public:
  DirectoryWriter(const DumpTarget& target, std::string server_version)
      : partial_(target.path),
        packing_(target.packing),
        server_version_(std::move(server_version)) {}

  Result<void> open() {
    TRY(partial_.claim());
    return make_directory(partial_.path());
  }

  Result<void> begin(const MongoCollection& collection) override {
    if (!is_database_name(collection.db) || collection.name.empty())
      return fail(ErrorCode::malformed,
                  fmt::format("'{}' can not be a file of a dump", collection.ns()));
    const fs::path directory = partial_.path() / collection.db;
    if (directories_.insert(collection.db).second) TRY(make_directory(directory));
    const std::string stem = file_stem_of(collection.name);
    if (collection.has_metadata)
      TRY(write_whole(directory / (stem + ".metadata.json" + suffix()), packing_,
                      metadata_json(collection)));
    if (!collection.has_documents) return {};
    documents_ = TRY(open_byte_writer(directory / (stem + ".bson" + suffix()), packing_));
    return {};
  }

  Result<void> document(ByteView document) override { return documents_->write(document); }

  Result<void> end() override {
    if (documents_) TRY(documents_->finish());
    documents_.reset();
    return {};
  }

  Result<void> finish() override {
    TRY(write_whole(partial_.path() / ("prelude.json" + suffix()), packing_, prelude()));
    for (const std::string& db : directories_) {
      TRY(sync_directory(partial_.path() / db));
    }
    TRY(sync_directory(partial_.path()));
    return partial_.publish();
  }

 private:
  std::string suffix() const { return packing_ == Packing::gzip ? ".gz" : ""; }

  std::string prelude() const {
    std::string text = "{\"ServerVersion\":";
    bson::append_json_string(server_version_, text);
    text += ",\"ToolVersion\":";
    bson::append_json_string(tool_version, text);
    return text + "}";
  }

  static Result<void> make_directory(const fs::path& path) {
    if (::mkdir(path.c_str(), 0700) != 0) return fail_errno("make " + path.string(), errno);
    return {};
  }

  PartialPath partial_;
  Packing packing_;
  std::string server_version_;
  std::set<std::string> directories_;
  std::unique_ptr<ByteWriter> documents_;
};

// An archive lists its collections before all documents, and we learn of them one by one: documents
// are kept in an unnamed file until the list is complete.
class ArchiveWriter final : public DumpWriter {
 public:
  ArchiveWriter(const DumpTarget& target, std::string server_version)
      : partial_(target.path),
        packing_(target.packing),
        server_version_(std::move(server_version)) {}

  Result<void> open(const fs::path& directory) {
    TRY(partial_.claim());
    body_ = TRY(make_temp_file(directory));
    return {};
  }

  Result<void> begin(const MongoCollection& collection) override {
    bson::Builder entry;
    entry.append_text("db", collection.db);
    entry.append_text("collection", collection.name);
    entry.append_text("metadata", collection.has_metadata ? metadata_json(collection) : "");
    entry.append_int32("size", 0);
    entry.append_text("type", collection.type);
    append(prelude_, entry.finish().bytes());
    db_ = collection.db;
    name_ = collection.name;
    crc_ = {};
    return append_header(Position::begin);
  }

  Result<void> document(ByteView document) override {
    crc_.update(document);
    return append_body(document);
  }

  Result<void> end() override {
    TRY(append_terminator());
    TRY(append_header(Position::end));
    return append_terminator();
  }

  Result<void> finish() override {
    TRY(flush_body());
    auto out = TRY(open_byte_writer(partial_.path(), packing_));
    std::uint8_t word[4];
    store_le(word, archive_magic);
    TRY(out->write(word));
    bson::Builder header;
    header.append_int32("concurrent_collections", 1);
    header.append_text("version", archive_version);
    header.append_text("server_version", server_version_);
    header.append_text("tool_version", tool_version);
    TRY(out->write(header.finish().bytes()));
    TRY(out->write(prelude_));
    store_le(word, archive_terminator);
    TRY(out->write(word));
    TRY(copy_body(*out));
    TRY(out->finish());
    return partial_.publish();
  }

 private:
  enum class Position : std::uint8_t { begin, end };

  Result<void> append_header(Position position) {
    const bool is_end = position == Position::end;
    bson::Builder header;
    header.append_text("db", db_);
    header.append_text("collection", name_);
    header.append_bool("EOF", is_end);
    const std::uint64_t crc = is_end ? crc_.value() : 0;
    header.append_int64("CRC", static_cast<std::int64_t>(crc));
    return append_body(header.finish().bytes());
  }

  Result<void> append_terminator() {
    std::uint8_t word[4];
    store_le(word, archive_terminator);
    return append_body(word);
  }

  Result<void> append_body(ByteView bytes) {
    append(buffer_, bytes);
    return buffer_.size() < buffer_bytes_max ? Result<void>() : flush_body();
  }

  Result<void> flush_body() {
    TRY(write_all(body_.get(), buffer_));
    buffer_.clear();
    return {};
  }

  Result<void> copy_body(ByteWriter& out) {
    Bytes part(buffer_bytes_max);
    for (std::uint64_t at = 0;;) {
      const std::size_t got = TRY(read_up_to_at(body_.get(), part, at));
      if (got == 0) return {};
      TRY(out.write(ByteView(part).first(got)));
      at += got;
    }
  }

  static constexpr std::size_t buffer_bytes_max = std::size_t{1} << 20;

  PartialPath partial_;
  Packing packing_;
  std::string server_version_;
  Fd body_;
  Bytes prelude_;
  Bytes buffer_;
  std::string db_;
  std::string name_;
  Crc64 crc_;
};

Result<void> check_free(const DumpTarget& target) {
  std::error_code error;
  const auto status = fs::symlink_status(target.path, error);
  if (!fs::exists(status)) return {};
  const bool is_empty_directory = target.form == DumpForm::directory && fs::is_directory(status) &&
                                  fs::is_empty(target.path, error) && !error;
  if (is_empty_directory) return {};
  return fail(ErrorCode::exists,
              fmt::format("{} is there already and not empty", target.path.string()));
}

}  // namespace

DumpTarget target_of(const std::filesystem::path& path) {
  const std::string name = path.string();
  if (name.ends_with(".archive")) return {path, DumpForm::archive, Packing::plain};
  if (name.ends_with(".archive.gz")) return {path, DumpForm::archive, Packing::gzip};
  std::string trimmed = name;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  return {trimmed, DumpForm::directory, Packing::plain};
}

Result<std::unique_ptr<DumpWriter>> make_dump_writer(const DumpTarget& target,
                                                     std::string server_version) {
  TRY(check_free(target));
  if (target.form == DumpForm::directory) {
    auto writer = std::make_unique<DirectoryWriter>(target, std::move(server_version));
    TRY(writer->open());
    return std::unique_ptr<DumpWriter>(std::move(writer));
  }
  auto writer = std::make_unique<ArchiveWriter>(target, std::move(server_version));
  TRY(writer->open(parent_of(target.path)));
  return std::unique_ptr<DumpWriter>(std::move(writer));
}

}  // namespace holdfast::dataset
