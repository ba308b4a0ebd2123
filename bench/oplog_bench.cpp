// How many oplog entries a second the engine brings to a moment T, on one core and in bounded
// memory: a base of small documents and a history of small updates of random ones. The result is
// compared, document by document, with a model of one number per document.
//
// oplog_bench [--entries N] [--documents N] [--memory-mib N] [--spill DIRECTORY]
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bson/builder.hpp"
#include "dataset/spill_files.hpp"
#include "oplog/materialise.hpp"

namespace holdfast::oplog {
namespace {

constexpr std::uint32_t base_seconds = 1'700'000'000;
constexpr std::uint32_t entries_per_second = 5000;
constexpr std::string_view ns = "shop.orders";
constexpr Uuid uuid{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

// Values that are found in a template's bytes and overwritten for each document or entry.
constexpr std::int64_t id_mark = 0x7161514131211101;
constexpr std::int64_t count_mark = 0x0102030405060708;
constexpr bson::Timestamp ts_mark{0x31415926, 0x53589793};

struct Options {
  std::uint64_t entries = 5'000'000;
  std::uint64_t documents = 1'000'000;
  std::size_t memory_mib = 512;
  std::filesystem::path spill = std::filesystem::temp_directory_path();
};

// Bytes with places to fill in, so that making an entry costs next to nothing.
class Template {
 public:
  explicit Template(bson::Builder& builder) : bytes_(builder.take()) {}

  template <class T>
  std::size_t place_of(T mark) const {
    std::uint8_t raw[sizeof mark];
    std::memcpy(raw, &mark, sizeof mark);
    const auto found = std::search(bytes_.begin(), bytes_.end(), raw, raw + sizeof mark);
    if (found == bytes_.end()) std::abort();
    return static_cast<std::size_t>(found - bytes_.begin());
  }
  template <class T>
  void fill(std::size_t place, T value) {
    store_le(bytes_.data() + place, value);
  }
  ByteView bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// The order of BSON's timestamp on the wire: ordinal, then seconds.
std::uint64_t wire(bson::Timestamp ts) {
  return std::uint64_t{ts.seconds} << 32 | ts.ordinal;
}

Template document_template() {
  bson::Builder builder;
  builder.append_int64("_id", id_mark);
  builder.append_text("customer", "someone with a name of some length");
  builder.append_int64("count", count_mark);
  builder.append_double("total", 12.5);
  builder.append_bool("paid", true);
  builder.begin_document("address");
  builder.append_text("street", "12 Harbour Road");
  builder.append_text("city", "Nantes");
  builder.end();
  builder.append_text("note", "left at the door");
  return Template(builder);
}

// {op: "u", o: {$v: 2, diff: {u: {count: N, paid: true}}}, o2: {_id: N}, …}
Template update_template() {
  bson::Builder builder;
  builder.append_text("op", "u");
  builder.append_text("ns", ns);
  builder.append_binary("ui", 4, uuid.bytes);
  builder.begin_document("o");
  builder.append_int32("$v", 2);
  builder.begin_document("diff");
  builder.begin_document("u");
  builder.append_int64("count", count_mark);
  builder.append_bool("paid", true);
  builder.end();
  builder.end();
  builder.end();
  builder.begin_document("o2");
  builder.append_int64("_id", id_mark);
  builder.end();
  builder.append_timestamp("ts", ts_mark);
  builder.append_int64("t", 1);
  builder.append_int64("v", 2);
  const std::int64_t wall_ms = std::int64_t{base_seconds} * 1000;
  std::uint8_t raw[8];
  store_le(raw, wall_ms);
  builder.append("wall", bson::Value{bson::Type::date, raw});
  return Template(builder);
}

class GeneratedDocuments final : public DocumentReader {
 public:
  explicit GeneratedDocuments(std::uint64_t count) : count_(count) {
    template_.fill(template_.place_of(count_mark), std::int64_t{0});
  }
  DocumentOrder order() const override { return DocumentOrder::by_id; }
  Result<std::optional<ByteView>> next() override {
    if (at_ == count_) return std::optional<ByteView>{};
    template_.fill(id_place_, at_++);
    return std::optional<ByteView>{template_.bytes()};
  }

 private:
  Template template_ = document_template();
  std::size_t id_place_ = template_.place_of(id_mark);
  std::uint64_t count_;
  std::uint64_t at_ = 0;
};

class GeneratedBase final : public BaseSource {
 public:
  explicit GeneratedBase(std::uint64_t documents) : documents_(documents) {}
  BaseWindow window() const override {
    return {BaseKind::exact, {base_seconds, 1}, {base_seconds, 1}};
  }
  Result<std::vector<CollectionFacts>> collections() override {
    bson::Builder key, index, none;
    key.append_int32("_id", 1);
    index.append_int32("v", 2);
    index.append_document("key", key.finish());
    index.append_text("name", "_id_");
    CollectionFacts facts{uuid, std::string(ns), none.take(), {}};
    facts.indexes.push_back(index.take());
    std::vector<CollectionFacts> all;
    all.push_back(std::move(facts));
    return all;
  }
  Result<std::unique_ptr<DocumentReader>> documents(const CollectionFacts&) override {
    return std::unique_ptr<DocumentReader>(std::make_unique<GeneratedDocuments>(documents_));
  }
  bool covers(std::string_view) const override { return true; }

 private:
  std::uint64_t documents_;
};

// Entry n sets `count` of a random document to n.
class GeneratedEntries final : public EntrySource {
 public:
  explicit GeneratedEntries(const Options& options) : options_(options) {}
  Result<std::optional<ByteView>> next() override {
    if (number_ == options_.entries) return std::optional<ByteView>{};
    ++number_;
    template_.fill(ts_place_, wire(ts_of(number_)));
    template_.fill(id_place_, document_of(number_));
    template_.fill(count_place_, number_);
    return std::optional<ByteView>{template_.bytes()};
  }
  Result<void> rewind() override {
    number_ = 0;
    return {};
  }
  std::uint64_t document_of(std::uint64_t number) const {
    std::uint64_t mixed = number * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9;
    return (mixed ^ (mixed >> 32)) % options_.documents;
  }
  static Timestamp ts_of(std::uint64_t number) {
    return {base_seconds + 1 + static_cast<std::uint32_t>(number / entries_per_second),
            1 + static_cast<std::uint32_t>(number % entries_per_second)};
  }

 private:
  Options options_;
  Template template_ = update_template();
  std::size_t ts_place_ = template_.place_of(wire(ts_mark));
  std::size_t id_place_ = template_.place_of(id_mark);
  std::size_t count_place_ = template_.place_of(count_mark);
  std::uint64_t number_ = 0;
};

// What each document's `count` must be in the end.
std::vector<std::uint64_t> model_of(const Options& options, const GeneratedEntries& entries) {
  std::vector<std::uint64_t> counts(options.documents, 0);
  for (std::uint64_t number = 1; number <= options.entries; ++number)
    counts[entries.document_of(number)] = number;
  return counts;
}

class ComparingSink final : public CollectionSink {
 public:
  explicit ComparingSink(const std::vector<std::uint64_t>& counts) : counts_(counts) {}
  Result<void> begin(const CollectionAtT&) override { return {}; }
  Result<void> document(ByteView document) override {
    const auto parsed = bson::Document::trusted(document);
    const auto id = parsed.find("_id"), count = parsed.find("count");
    if (!id || !count || id->as_int64() != static_cast<std::int64_t>(seen_) ||
        count->as_int64() != static_cast<std::int64_t>(counts_[seen_]))
      return fail(ErrorCode::failed, fmt::format("document {} is not as it should be", seen_));
    ++seen_;
    return {};
  }
  Result<void> end(const CollectionTotals&) override { return {}; }
  std::uint64_t seen() const { return seen_; }

 private:
  const std::vector<std::uint64_t>& counts_;
  std::uint64_t seen_ = 0;
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

Result<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stopped != text.data() + text.size() || number == 0)
    return fail(ErrorCode::usage, fmt::format("{} is not a number above 0", text));
  return number;
}

Result<Options> options_of(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 1; i + 1 < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    if (name == "--spill") {
      options.spill = arguments[i + 1];
      continue;
    }
    const auto number = TRY(number_of(arguments[i + 1]));
    if (name == "--entries")
      options.entries = number;
    else if (name == "--documents")
      options.documents = number;
    else if (name == "--memory-mib")
      options.memory_mib = number;
    else
      return fail(ErrorCode::usage, fmt::format("{} is not an option", name));
  }
  return options;
}

Result<void> measure(const Options& options) {
  SystemClock clock;
  GeneratedEntries entries(options);
  const auto model = model_of(options, entries);
  double started = cpu_seconds();
  for (std::uint64_t number = 0; number < options.entries; ++number) TRY(entries.next());
  const double generating = cpu_seconds() - started;
  TRY(entries.rewind());

  GeneratedBase base(options.documents);
  dataset::SpillFiles spill(options.spill);
  ComparingSink sink(model);
  MaterialiseOptions wanted;
  wanted.at = GeneratedEntries::ts_of(options.entries);
  wanted.memory_bytes_max = options.memory_mib << 20;
  const double before_mib = peak_mib();
  started = cpu_seconds();
  const auto began = clock.monotonic();
  const auto report = TRY(materialise(base, entries, spill, sink, wanted));
  const std::chrono::duration<double> wall = clock.monotonic() - began;
  const double cpu = cpu_seconds() - started;
  if (sink.seen() != options.documents || report.entry_count != options.entries)
    return fail(ErrorCode::failed,
                fmt::format("{} documents came out, of {}; {} entries of {}", sink.seen(),
                            options.documents, report.entry_count, options.entries));

  const auto count = static_cast<double>(options.entries);
  fmt::print("materialise: {} entries over {} documents, bound {} MiB\n", options.entries,
             options.documents, options.memory_mib);
  fmt::print("  {:.2f} s CPU ({:.2f} s of it makes the entries), {:.2f} s wall\n", cpu, generating,
             wall.count());
  fmt::print("  {:.0f} entries a second of one core\n", count / (cpu - generating));
  fmt::print("  spilled {:.1f} MiB in {} runs; peak memory {:.0f} MiB, {:.0f} MiB before\n",
             static_cast<double>(report.spilled_bytes) / (1 << 20), report.spilled_run_count,
             peak_mib(), before_mib);
  return {};
}

Result<void> run(std::span<char*> arguments) {
  const auto options = TRY(options_of(arguments));
  return measure(options);
}

}  // namespace
}  // namespace holdfast::oplog

int main(int argc, char** argv) {
  const auto done = holdfast::oplog::run({argv, static_cast<std::size_t>(argc)});
  if (done.has_value()) return 0;
  fmt::print(stderr, "oplog_bench: {}\n", holdfast::describe(done.error()));
  return 1;
}
