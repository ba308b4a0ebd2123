// Recorded histories of a real server: base and oplog up to `ts` give the recorded state.
#include <doctest/doctest.h>

#include <algorithm>

#include "bson/ext_json.hpp"
#include "doubles/corpus.hpp"

namespace holdfast::oplog {
namespace {

using test::StateSink;
using test::StoredBase;
using test::StoredCollection;
using test::StoredEntries;
using test::StoredState;

enum class FieldOrder : std::uint8_t { exact, any };

// Documents with their fields sorted by name, all the way down.
std::string sorted_text(const bson::Value& value) {
  if (value.type != bson::Type::document && value.type != bson::Type::array)
    return bson::to_ext_json(value);
  std::vector<std::string> parts;
  for (const auto& element : value.as_document())
    parts.push_back(std::string(element.name) + "=" + sorted_text(element.value));
  if (value.type == bson::Type::document) std::sort(parts.begin(), parts.end());
  std::string text = "{";
  for (const auto& part : parts) text += part + ",";
  return text + "}";
}

std::string text_of(const Bytes& document, FieldOrder order) {
  if (order == FieldOrder::any) return sorted_text({bson::Type::document, document});
  return bson::to_ext_json(bson::Document::trusted(document)) + " " + to_hex(document);
}

void check_documents(const StoredCollection& got, const StoredCollection& wanted,
                     FieldOrder order) {
  REQUIRE(got.documents.size() == wanted.documents.size());
  for (std::size_t at = 0; at < got.documents.size(); ++at) {
    if (got.documents[at] == wanted.documents[at]) continue;
    CHECK(text_of(got.documents[at], order) == text_of(wanted.documents[at], order));
  }
}

// The server trims by its own size estimate: one of the two is the end of the other.
void check_capped(const StoredCollection& got, const StoredCollection& wanted) {
  const std::size_t count = std::min(got.documents.size(), wanted.documents.size());
  CHECK((count > 0 || wanted.documents.empty()));
  CHECK(std::equal(got.documents.end() - static_cast<std::ptrdiff_t>(count), got.documents.end(),
                   wanted.documents.end() - static_cast<std::ptrdiff_t>(count)));
}

void check_facts(const CollectionFacts& got, const CollectionFacts& wanted) {
  CHECK(got.uuid == wanted.uuid);
  CHECK(text_of(got.options, FieldOrder::exact) == text_of(wanted.options, FieldOrder::exact));
  REQUIRE(got.indexes.size() == wanted.indexes.size());
  for (std::size_t at = 0; at < got.indexes.size(); ++at) {
    CHECK(text_of(got.indexes[at], FieldOrder::exact) ==
          text_of(wanted.indexes[at], FieldOrder::exact));
  }
}

void check_state(const StateSink& sink, const MaterialiseReport& report, const StoredState& wanted,
                 FieldOrder order) {
  std::vector<std::string> names;
  for (const auto& [ns, collection] : wanted.collections) names.push_back(ns);
  REQUIRE(sink.order == names);
  for (const auto& [ns, collection] : wanted.collections) {
    INFO(ns);
    const auto& got = sink.collections.at(ns);
    check_facts(got.facts, collection.facts);
    if (collection.facts.is_capped()) {
      check_capped(got, collection);
    } else {
      check_documents(got, collection, order);
    }
  }
  REQUIRE(report.views.size() == wanted.views.size());
  for (const auto& view : report.views) {
    REQUIRE(wanted.views.contains(view.ns));
    CHECK(view.options == wanted.views.at(view.ns));
  }
}

struct Corpus {
  StoredState base;
  std::vector<StoredState> expected;
  StoredEntries entries;
};

Corpus load(const std::string& name) {
  const test::UnpackedCorpus unpacked(name);
  const auto& directory = unpacked.root();
  Corpus corpus{StoredState::load(directory / "base"),
                {},
                StoredEntries(test::load_documents(directory / "oplog.bson"))};
  for (int k = 0; std::filesystem::exists(directory / "expected" / std::to_string(k)); ++k)
    corpus.expected.push_back(StoredState::load(directory / "expected" / std::to_string(k)));
  REQUIRE(corpus.expected.size() >= 3);
  return corpus;
}

void check_moment(Corpus& corpus, const StoredState& from, std::size_t k, FieldOrder order,
                  std::size_t memory_bytes) {
  INFO("state " << k);
  StoredBase base(from);
  StateSink sink;
  MemorySpill spill;
  MaterialiseOptions options;
  options.at = corpus.expected[k].window.last;
  options.memory_bytes_max = memory_bytes;
  REQUIRE(corpus.entries.rewind().has_value());
  const auto report = materialise(base, corpus.entries, spill, sink, options);
  REQUIRE_MESSAGE(report.has_value(), describe(report.error()));
  check_state(sink, *report, corpus.expected[k], order);
  CHECK(report->transactions_in_doubt == 0);
}

void check_corpus(const std::string& name, FieldOrder from_fuzzy) {
  INFO(name);
  auto corpus = load(name);
  REQUIRE(corpus.base.window.kind == BaseKind::fuzzy);
  constexpr std::size_t roomy = 64 * 1024 * 1024;
  constexpr std::size_t tight = 64 * 1024;
  for (std::size_t k = 0; k < corpus.expected.size(); ++k)
    check_moment(corpus, corpus.base, k, from_fuzzy, roomy);
  for (std::size_t k = 1; k < corpus.expected.size(); ++k) {
    REQUIRE(corpus.expected[0].window.kind == BaseKind::exact);
    check_moment(corpus, corpus.expected[0], k, FieldOrder::exact, roomy);
    check_moment(corpus, corpus.expected[0], k, FieldOrder::exact, tight);
  }
}

TEST_CASE("The recorded history with deltas comes out as the server had it") {
  check_corpus("delta-1", FieldOrder::exact);
}

TEST_CASE("The recorded history with large transactions comes out as the server had it") {
  check_corpus("delta-txn", FieldOrder::exact);
}

TEST_CASE("The recorded history with modifiers comes out as the server had it") {
  check_corpus("modifiers-1", FieldOrder::any);
}

}  // namespace
}  // namespace holdfast::oplog
