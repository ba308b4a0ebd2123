// A whole history from nothing: concatenated oplog entries are materialised over an empty base.
// Whatever comes out is in order and valid; the same input gives the same output, spilled or not.
#include "base/check.hpp"
#include "bson/digest.hpp"
#include "oplog/materialise.hpp"

using namespace holdfast;
using namespace holdfast::oplog;

namespace {

constexpr std::size_t memory_bytes_small = std::size_t{64} << 10;  // spills early
constexpr std::size_t memory_bytes_large = std::size_t{1} << 20;

// The first bytes of the input.
struct Question {
  Timestamp at;
  std::uint32_t relaxed_to_seconds;  // the empty base was copied up to here; 0: it is exact
  ByteView entries;
};
constexpr std::size_t question_bytes = 12;
constexpr std::uint32_t at_last_entry = 0xFFFFFFFF;

class NothingBefore final : public BaseSource {
 public:
  explicit NothingBefore(std::uint32_t relaxed_to_seconds) : relaxed_to_(relaxed_to_seconds) {}
  BaseWindow window() const override {
    if (relaxed_to_ < 2) return {BaseKind::exact, {1, 0}, {1, 0}};
    return {BaseKind::fuzzy, {1, 0}, {relaxed_to_, 0}};
  }
  Result<std::vector<CollectionFacts>> collections() override {
    return std::vector<CollectionFacts>();
  }
  Result<std::unique_ptr<DocumentReader>> documents(const CollectionFacts&) override {
    return fail(ErrorCode::not_found, "an empty base has no documents");
  }
  bool covers(std::string_view ns) const override { return ns.find('x') == std::string_view::npos; }

 private:
  std::uint32_t relaxed_to_;
};

// Takes documents as far as their lengths make sense.
class Entries final : public EntrySource {
 public:
  explicit Entries(ByteView bytes) : bytes_(bytes), rest_(bytes) {}
  Result<std::optional<ByteView>> next() override {
    const std::size_t length = rest_.size() < 5 ? 0 : load_le<std::uint32_t>(rest_.data());
    if (length < 5 || length > rest_.size()) return std::optional<ByteView>();
    const ByteView entry = rest_.first(length);
    rest_ = rest_.subspan(length);
    return std::optional<ByteView>(entry);
  }
  Result<void> rewind() override {
    rest_ = bytes_;
    return {};
  }

 private:
  ByteView bytes_;
  ByteView rest_;
};

class Outcome final : public CollectionSink {
 public:
  Result<void> begin(const CollectionAtT& collection) override {
    CHECK(collection.facts.ns > last_ns_);
    last_ns_ = collection.facts.ns;
    count_ = 0;
    digest_.add(as_bytes(last_ns_));
    for (const auto& index : collection.facts.indexes)
      CHECK(bson::Document::validate(index).has_value());
    return {};
  }
  Result<void> document(ByteView document) override {
    ++count_;
    digest_.add(document);
    if (document.size() <= bson::document_bytes_max) {
      const auto valid = bson::Document::validate(document);
      CHECK(valid.has_value() || valid.error().code == ErrorCode::limit_exceeded);
    }
    return {};
  }
  Result<void> end(const CollectionTotals& totals) override {
    CHECK(totals.document_count == count_);
    return {};
  }
  const bson::Digest256& digest() const { return digest_.digest(); }

 private:
  std::string last_ns_;
  std::uint64_t count_ = 0;
  bson::ContentDigest digest_;
};

Timestamp last_timestamp(ByteView bytes) {
  Entries entries(bytes);
  Timestamp last{};
  for (;;) {
    const auto entry = entries.next().value();
    if (!entry || !bson::Document::validate(*entry).has_value()) return last;
    const auto ts = bson::Document::trusted(*entry).find("ts");
    if (!ts || ts->type != bson::Type::timestamp) return last;
    last = ts->as_timestamp();
  }
}

// The digest of everything that came out, or nothing when the history was refused.
std::optional<bson::Digest256> outcome_of(const Question& question, std::size_t memory_bytes_max) {
  NothingBefore base(question.relaxed_to_seconds);
  Entries entries(question.entries);
  MemorySpill spill;
  Outcome sink;
  MaterialiseOptions options;
  options.at = question.at;
  options.memory_bytes_max = memory_bytes_max;
  options.wanted = [](std::string_view) { return true; };
  options.in_doubt = InDoubt::treat_as_not_committed;
  const auto report = materialise(base, entries, spill, sink, options);
  if (!report.has_value()) {
    CHECK(!report.error().message.empty());
    return std::nullopt;
  }
  return sink.digest();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < question_bytes) return 0;
  Question question;
  question.at = {load_le<std::uint32_t>(bytes), load_le<std::uint32_t>(bytes + 4)};
  question.relaxed_to_seconds = load_le<std::uint32_t>(bytes + 8);
  question.entries = ByteView(bytes, size).subspan(question_bytes);
  if (question.at.seconds == at_last_entry) question.at = last_timestamp(question.entries);
  const auto outcome = outcome_of(question, memory_bytes_large);
  CHECK(outcome == outcome_of(question, memory_bytes_small));
  return 0;
}
