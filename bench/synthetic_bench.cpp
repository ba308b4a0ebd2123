// What a synthetic full costs beside the first backup and a full backup of the same state: a
// database of 1 KB documents of which 1 % changed, once the newest ones and once spread evenly. The
// tree of the synthetic full must be that of the full backup.
//
// synthetic_bench [--documents N] [--directory DIR]
#include <fmt/format.h>
#include <sys/resource.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include "backup/import_mongo.hpp"
#include "backup/synthetic_full.hpp"
#include "bson/builder.hpp"
#include "store/local_store.hpp"

namespace holdfast::backup {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view ns = "shop.orders";
constexpr oplog::Uuid uuid{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
constexpr std::uint32_t base_seconds = 1'700'000'000;

struct Options {
  std::uint64_t documents = 1'000'000;
  fs::path directory = fs::temp_directory_path() / "holdfast-synthetic-bench";
};

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// About 1 KB of words that compress as text does.
Bytes document(std::uint64_t number, std::int64_t version) {
  static constexpr std::string_view words[] = {
      "order ",  "paid ", "by ",  "card ",   "and ",  "sent ",  "to ",    "the ",
      "street ", "in ",   "two ", "boxes; ", "note ", "price ", "stock ", "return "};
  bson::Builder builder;
  builder.append_int64("_id", static_cast<std::int64_t>(number));
  builder.append_int64("version", version);
  std::string text;
  std::uint64_t state = number * 0x9E3779B97F4A7C15U + 1;
  while (text.size() < 950) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    text += words[state & 15U];
    if ((state & 0x70U) == 0) text += std::to_string(state >> 40U);
  }
  builder.append_text("text", text);
  return builder.take();
}

Bytes envelope(std::uint32_t number, std::string_view op, bson::Document o,
               std::optional<std::uint64_t> id) {
  bson::Builder entry;
  entry.append_timestamp("ts", {base_seconds, number});
  entry.append_int64("t", 1);
  entry.append_int64("v", 2);
  entry.append_text("op", op);
  entry.append_text("ns", op == "n" ? "" : ns);
  if (op != "n") entry.append_binary("ui", 4, uuid.bytes);
  entry.append_document("o", o);
  if (id) {
    entry.begin_document("o2");
    entry.append_int64("_id", static_cast<std::int64_t>(*id));
    entry.end();
  }
  return entry.take();
}

Bytes update(std::uint32_t number, std::uint64_t id, std::int64_t version) {
  bson::Builder o;
  o.append_int32("$v", 2);
  o.begin_document("diff");
  o.begin_document("u");
  o.append_int64("version", version);
  o.end();
  o.end();
  return envelope(number, "u", o.finish(), id);
}

// The database, its oplog so far, and its repository.
class Bench {
 public:
  static Result<void> run(const Options& options) {
    fs::remove_all(options.directory);
    fs::create_directories(options.directory / "repository");
    auto store = TRY(store::LocalStore::open(options.directory / "repository"));
    SystemClock clock;
    SystemRng rng;
    NullLog log;
    Context context{clock, rng, log, {}};
    const Secret password(as_bytes("benchmark"));
    TRY(repo::Repository::init(context, *store, password));
    Bench bench(options, context, *store, password);
    const auto done = bench.measure();
    fs::remove_all(options.directory);
    return done;
  }

 private:
  struct Cost {
    double wall = 0;
    double cpu = 0;
    std::uint64_t plain_bytes = 0;
    std::uint64_t stored_bytes = 0;
    repo::SnapshotId snapshot;
  };

  Bench(const Options& options, Context& context, store::Store& store, const Secret& password)
      : options_(options),
        context_(context),
        store_(store),
        password_(password),
        versions_(options.documents, 0) {}

  Result<void> measure() {
    entry_number_ = 1;
    bson::Builder nothing;
    oplog_.push_back(envelope(1, "n", nothing.finish(), std::nullopt));
    write_dump();
    const Cost first = TRY(full());
    show("first backup (import of a dump)", first, first);
    TRY(record());

    const std::uint64_t count = options_.documents / 100;
    for (std::uint64_t change = 0; change < count; ++change) touch(options_.documents - 1 - change);
    TRY(compare("1 % changed, the newest documents", first));
    for (std::uint64_t change = 0; change < count; ++change) touch(change * 100 + 50);
    return compare("1 % changed, spread evenly", first);
  }

  void touch(std::uint64_t id) { oplog_.push_back(update(++entry_number_, id, ++versions_[id])); }

  Result<void> compare(std::string_view what, const Cost& first) {
    fmt::print("{}\n", what);
    TRY(record());
    const Cost synthetic = TRY(compute());
    show("  synthetic full", synthetic, first);
    write_dump();
    const Cost real = TRY(full());
    show("  full backup of the same state", real, first);
    auto repository = TRY(open());
    const auto left = TRY(repository.load_snapshot(synthetic.snapshot));
    const auto right = TRY(repository.load_snapshot(real.snapshot));
    if (left.snapshot.tree != right.snapshot.tree)
      return fail(ErrorCode::failed, "the synthetic full is not what the full backup stored");
    fmt::print("  same tree: {}\n", left.snapshot.tree.short_hex());
    return {};
  }

  void show(std::string_view what, const Cost& cost, const Cost& first) const {
    fmt::print(
        "{:36} {:7.3f} s ({:5.1f} %)  {:7.3f} s CPU ({:5.1f} %)  {:8.2f} MiB new ({:5.1f} %) "
        " {:8.2f} MiB stored ({:5.1f} %)\n",
        what, cost.wall, 100 * cost.wall / first.wall, cost.cpu, 100 * cost.cpu / first.cpu,
        mib(cost.plain_bytes), 100 * mib(cost.plain_bytes) / mib(first.plain_bytes),
        mib(cost.stored_bytes), 100 * mib(cost.stored_bytes) / mib(first.stored_bytes));
  }
  static double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

  Result<repo::Repository> open() {
    auto repository = TRY(repo::Repository::open(context_, store_, password_));
    TRY(repository.load_index());
    return repository;
  }

  template <class Work>
  Result<Cost> timed(Work&& work) {
    auto repository = TRY(repo::Repository::open(context_, store_, password_));
    const double cpu = cpu_seconds();
    const Duration began = context_.clock.monotonic();
    Cost cost = TRY(work(repository));
    const std::chrono::duration<double> wall = context_.clock.monotonic() - began;
    cost.wall = wall.count();
    cost.cpu = cpu_seconds() - cpu;
    return cost;
  }

  MongoImportOptions import_options() const {
    MongoImportOptions options;
    options.dataset = "shop";
    options.dump = options_.directory / "dump";
    options.time = WallTime(std::chrono::seconds(base_seconds));
    options.temp_directory = options_.directory;
    return options;
  }

  Result<Cost> full() {
    return timed([&](repo::Repository& repository) -> Result<Cost> {
      const auto made = TRY(import_mongo(repository, import_options()));
      return Cost{0, 0, made.summary.data_added, made.summary.data_added_packed, *made.snapshot};
    });
  }

  Result<Cost> compute() {
    return timed([&](repo::Repository& repository) -> Result<Cost> {
      SyntheticOptions options;
      options.dataset = "shop";
      options.time = WallTime(std::chrono::seconds(base_seconds));
      options.temp_directory = options_.directory;
      const auto made = TRY(synthetic_full(repository, options));
      if (!made.snapshot) return fail(ErrorCode::failed, "no synthetic full was made");
      const auto& collection = made.collections.front();
      fmt::print("  {} of {} chunks read, {} stored\n", made.chunk_read_count,
                 collection.chunk_count, collection.chunk_new_count);
      return Cost{0, 0, made.summary.data_added, made.summary.data_added_packed, *made.snapshot};
    });
  }

  Result<void> record() {
    const fs::path only_oplog = options_.directory / "oplog";
    fs::create_directories(only_oplog);
    std::ofstream out(only_oplog / "oplog.bson", std::ios::binary);
    for (const Bytes& entry : oplog_) out << as_text(entry);
    out.close();
    auto repository = TRY(repo::Repository::open(context_, store_, password_));
    MongoImportOptions options = import_options();
    options.dump = only_oplog;
    TRY(import_mongo(repository, options));
    return {};
  }

  void write_dump() {
    const fs::path folder = options_.directory / "dump" / "shop";
    fs::create_directories(folder);
    const std::string moment = fmt::format(R"({{"t":{},"i":{}}})", base_seconds, entry_number_);
    std::ofstream(options_.directory / "dump" / "manifest.json")
        << fmt::format(R"({{"first":{0},"last":{0},"exact":true}})", moment);
    std::ofstream(folder / "orders.metadata.json")
        << fmt::format(R"({{"indexes":[{{"v":2,"key":{{"_id":1}},"name":"_id_"}}],"uuid":"{}",)"
                       R"("collectionName":"orders","type":"collection"}})",
                       uuid.hex());
    std::ofstream out(folder / "orders.bson", std::ios::binary);
    for (std::uint64_t id = 0; id < options_.documents; ++id)
      out << as_text(document(id, versions_[id]));
  }

  const Options& options_;
  Context& context_;
  store::Store& store_;
  const Secret& password_;
  std::vector<std::int64_t> versions_;
  std::vector<Bytes> oplog_;
  std::uint32_t entry_number_ = 0;
};

Result<Options> options_of(std::span<char*> arguments) {
  Options options;
  for (std::size_t at = 1; at + 1 < arguments.size(); at += 2) {
    const std::string_view name = arguments[at];
    const std::string_view value = arguments[at + 1];
    if (name == "--directory") {
      options.directory = fs::path(value) / "holdfast-synthetic-bench";
      continue;
    }
    const auto [end, error] =
        std::from_chars(value.data(), value.data() + value.size(), options.documents);
    const bool is_number = error == std::errc{} && end == value.data() + value.size();
    if (name != "--documents" || !is_number || options.documents < 100)
      return fail(ErrorCode::usage, fmt::format("{} {} is not an option", name, value));
  }
  return options;
}

Result<void> run(std::span<char*> arguments) {
  const Options options = TRY(options_of(arguments));
  return Bench::run(options);
}

}  // namespace
}  // namespace holdfast::backup

int main(int argc, char** argv) {
  const auto done = holdfast::backup::run({argv, static_cast<std::size_t>(argc)});
  if (done.has_value()) return 0;
  fmt::print(stderr, "synthetic_bench: {}\n", holdfast::describe(done.error()));
  return 1;
}
