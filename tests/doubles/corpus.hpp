#pragma once
// A recorded history (tests/data/corpus/README.md) as sources and sinks for materialising: base and
// expected states from directories, entries from oplog.bson.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/file.hpp"
#include "base/process.hpp"
#include "bson/ext_json.hpp"
#include "doubles/scratch_directory.hpp"
#include "oplog/materialise.hpp"

namespace holdfast::test {

constexpr std::uint64_t corpus_file_bytes_max = std::uint64_t{1} << 30;

// Unpacks tests/data/corpus/NAME.tar.zst.
class UnpackedCorpus {
 public:
  explicit UnpackedCorpus(const std::string& name) : root_(scratch_.path() / name) {
    const std::string archive = std::string(HOLDFAST_TEST_DATA) + "/corpus/" + name + ".tar.zst";
    const auto unpacked = run_process(
        {"tar", "--zstd", "-xf", archive, "-C", scratch_.path().string()}, Capture::none);
    REQUIRE(unpacked.has_value());
    REQUIRE(unpacked->exit_status == 0);
  }
  const std::filesystem::path& root() const { return root_; }

 private:
  ScratchDirectory scratch_;
  std::filesystem::path root_;
};

inline std::vector<Bytes> load_documents(const std::filesystem::path& file) {
  const auto bytes = read_file(file, corpus_file_bytes_max).value();
  std::vector<Bytes> documents;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto length = load_le<std::uint32_t>(bytes.data() + at);
    documents.push_back(to_bytes(ByteView(bytes).subspan(at, length)));
    at += length;
  }
  return documents;
}

inline Bytes load_json(const std::filesystem::path& file) {
  const auto text = read_file(file, corpus_file_bytes_max).value();
  return bson::parse_ext_json(as_text(text)).value();
}

inline oplog::Timestamp timestamp_in(bson::Document document, std::string_view name) {
  const auto ts = document.find(name)->as_document();
  return {static_cast<std::uint32_t>(*ts.find("t")->as_integer()),
          static_cast<std::uint32_t>(*ts.find("i")->as_integer())};
}

inline std::string unescaped(std::string name) {
  for (std::size_t at = name.find('%'); at != std::string::npos; at = name.find('%', at + 1))
    name.replace(at, 3, 1, static_cast<char>(std::stoi(name.substr(at + 1, 2), nullptr, 16)));
  return name;
}

struct StoredCollection {
  oplog::CollectionFacts facts;
  std::vector<Bytes> documents;
};

// One directory with `<db>/<collection>.bson`, metadata and `manifest.json`.
struct StoredState {
  oplog::BaseWindow window;
  std::map<std::string, StoredCollection> collections;  // by namespace
  std::map<std::string, Bytes> views;                   // options by namespace

  static StoredState load(const std::filesystem::path& directory) {
    StoredState state;
    const auto json = load_json(directory / "manifest.json");
    const auto manifest = bson::Document::trusted(json);
    state.window = {manifest.find("exact") ? oplog::BaseKind::exact : oplog::BaseKind::fuzzy,
                    timestamp_in(manifest, "first"), timestamp_in(manifest, "last")};
    for (const auto& item : std::filesystem::recursive_directory_iterator(directory)) {
      const auto name = item.path().filename().string();
      const auto end = name.find(".metadata.json");
      if (end == std::string::npos) continue;
      const auto database = item.path().parent_path().filename().string();
      state.add(database + "." + unescaped(name.substr(0, end)), item.path(),
                item.path().parent_path() / (name.substr(0, end) + ".bson"));
    }
    return state;
  }

  void add(const std::string& ns, const std::filesystem::path& metadata_file,
           const std::filesystem::path& documents_file) {
    const auto json = load_json(metadata_file);
    const auto metadata = bson::Document::trusted(json);
    const auto options = to_bytes(metadata.find("options")->bytes);
    if (metadata.find("type")->as_text() == "view") {
      views[ns] = options;
      return;
    }
    StoredCollection& collection = collections[ns];
    collection.facts.ns = ns;
    collection.facts.options = options;
    collection.facts.uuid = oplog::Uuid::parse(metadata.find("uuid")->as_text()).value();
    for (const auto& spec : metadata.find("indexes")->as_document())
      collection.facts.indexes.push_back(to_bytes(spec.value.bytes));
    collection.documents = load_documents(documents_file);
  }
};

class StoredReader final : public oplog::DocumentReader {
 public:
  explicit StoredReader(const StoredCollection& collection) : collection_(collection) {}
  oplog::DocumentOrder order() const override {
    return collection_.facts.is_capped() ? oplog::DocumentOrder::natural
                                         : oplog::DocumentOrder::by_id;
  }
  Result<std::optional<ByteView>> next() override {
    if (at_ == collection_.documents.size()) return std::nullopt;
    return ByteView(collection_.documents[at_++]);
  }

 private:
  const StoredCollection& collection_;
  std::size_t at_ = 0;
};

// Covers everything but config, local and admin.
class StoredBase final : public oplog::BaseSource {
 public:
  explicit StoredBase(const StoredState& state) : state_(state) {}
  oplog::BaseWindow window() const override { return state_.window; }
  Result<std::vector<oplog::CollectionFacts>> collections() override {
    std::vector<oplog::CollectionFacts> facts;
    for (const auto& [ns, collection] : state_.collections) facts.push_back(collection.facts);
    return facts;
  }
  Result<std::unique_ptr<oplog::DocumentReader>> documents(
      const oplog::CollectionFacts& wanted) override {
    for (const auto& [ns, collection] : state_.collections) {
      if (collection.facts.uuid == wanted.uuid) return std::make_unique<StoredReader>(collection);
    }
    return fail(ErrorCode::not_found, "no such collection in the base: " + wanted.ns);
  }
  bool covers(std::string_view ns) const override {
    const auto database = oplog::database_of(ns);
    return database != "config" && database != "local" && database != "admin";
  }

 private:
  const StoredState& state_;
};

class StoredEntries final : public oplog::EntrySource {
 public:
  explicit StoredEntries(std::vector<Bytes> entries) : entries_(std::move(entries)) {}
  Result<std::optional<ByteView>> next() override {
    if (at_ == entries_.size()) return std::nullopt;
    return ByteView(entries_[at_++]);
  }
  Result<void> rewind() override {
    at_ = 0;
    return {};
  }
  std::vector<Bytes>& all() { return entries_; }

 private:
  std::vector<Bytes> entries_;
  std::size_t at_ = 0;
};

// Keeps what was materialised.
class StateSink final : public oplog::CollectionSink {
 public:
  Result<void> begin(const oplog::CollectionAtT& collection) override {
    order.push_back(collection.facts.ns);
    collections[order.back()].facts = collection.facts;
    return {};
  }
  Result<void> document(ByteView document) override {
    collections[order.back()].documents.push_back(to_bytes(document));
    return {};
  }
  Result<void> end(const oplog::CollectionTotals& of_collection) override {
    totals[order.back()] = of_collection;
    return {};
  }

  std::map<std::string, StoredCollection> collections;
  std::map<std::string, oplog::CollectionTotals> totals;
  std::vector<std::string> order;
};

}  // namespace holdfast::test
