#include <fmt/format.h>

#include "mongo/cursor.hpp"
#include "recover/restore_parts.hpp"

namespace holdfast::recover {

namespace {

// Hands out numbers from 0 to count - 1, each once. Thread-safe.
class Turn {
 public:
  explicit Turn(std::size_t count) : numbers_(count + 1) {
    for (std::size_t number = 0; number < count; ++number) numbers_.push(number);
    numbers_.close();
  }
  std::optional<std::size_t> next() { return numbers_.pop(); }

 private:
  Channel<std::size_t> numbers_;
};

// Several threads share the notes of one target.
class SharedNotes {
 public:
  explicit SharedNotes(TargetNotes& notes) : notes_(notes) {}
  void take(TargetNotes& from) {
    MutexLock lock(mutex_);
    for (std::string& sentence : from.notes) notes_.note(std::move(sentence));
    for (std::string& sentence : from.problems) notes_.problem(std::move(sentence));
    from = {};
  }

 private:
  Mutex mutex_;
  TargetNotes& notes_;
};

Result<void> read_one(mongo::Deployment& target, Context& context, WrittenCollection& collection) {
  if (collection.was_placed) {
    collection.result.target_count = collection.result.count;
    collection.result.target_digest = collection.result.digest;
    return {};
  }
  mongo::FindRequest request;
  request.db = collection.written.db;
  request.collection = collection.written.collection;
  bson::ContentDigest digest;
  const auto digest_all = [&](mongo::Connection& connection) -> Result<void> {
    digest = {};
    auto cursor = TRY(mongo::Cursor::open(connection, request));
    while (true) {
      const auto document = TRY(cursor.next());
      if (!document) return {};
      digest.add(*document);
      constexpr std::uint64_t documents_between_checks = 1024;
      if (digest.count() % documents_between_checks == 0) TRY(context.check_stop());
    }
  };
  PrimaryLink link(target, context);
  TRY(link.read(digest_all));
  collection.result.target_count = digest.count();
  collection.result.target_digest = digest.digest();
  return {};
}

}  // namespace

Result<void> read_back(std::vector<WrittenCollection>& collections, mongo::Deployment& target,
                       Context& context, unsigned connections) {
  Turn turn(collections.size());
  TaskGroup readers;
  for (unsigned number = 0; number < connections; ++number) {
    readers.start([&](const std::stop_token& stop) -> Result<void> {
      while (const auto next = turn.next()) {
        if (stop.stop_requested()) return {};
        TRY(read_one(target, context, collections[*next])
                .while_doing("reading back " + collections[*next].written.ns()));
      }
      return {};
    });
  }
  return readers.wait();
}

void note_differences(const std::vector<WrittenCollection>& collections, TargetNotes& notes) {
  for (const WrittenCollection& collection : collections) {
    const RestoredCollection& result = collection.result;
    if (result.is_equal()) continue;
    notes.problem(
        fmt::format("{} differs: {} documents of digest {} were computed, the target has "
                    "{} of digest {}",
                    collection.written.ns(), result.count, result.digest.hex().substr(0, 16),
                    result.target_count, result.target_digest.hex().substr(0, 16)));
  }
}

Result<void> build_all_indexes(std::vector<WrittenCollection>& collections,
                               mongo::Deployment& target, Context& context,
                               const RestoreMongoOptions& options, TargetNotes& notes) {
  Turn turn(collections.size());
  SharedNotes shared(notes);
  TaskGroup builders;
  for (unsigned number = 0; number < options.connections; ++number) {
    builders.start([&](const std::stop_token& stop) -> Result<void> {
      PrimaryLink link(target, context);
      TargetNotes own;
      TargetCatalog catalog(link, KeepUuids::no, own);
      while (const auto next = turn.next()) {
        if (stop.stop_requested()) return {};
        WrittenCollection& collection = collections[*next];
        collection.result.index_count = TRY(catalog.build_indexes(
            collection.written, collection.facts.indexes, TargetCatalog::Which::without_expiry));
      }
      shared.take(own);
      return {};
    });
  }
  return builders.wait();
}

Result<void> note_options(const std::vector<WrittenCollection>& collections, PrimaryLink& link,
                          TargetNotes& notes) {
  for (const WrittenCollection& collection : collections) {
    const Bytes wanted = create_options(collection.facts.options);
    if (bson::Document::trusted(wanted).is_empty()) continue;
    auto* connection = TRY(link.connection());
    const auto found =
        TRY(find_collection(*connection, collection.target.db, collection.target.collection));
    if (!found || found->type == "timeseries") continue;
    for (const std::string& sentence : describe_options(wanted, found->options))
      notes.note(fmt::format("{} {}", collection.target.ns(), sentence));
  }
  return {};
}

}  // namespace holdfast::recover
