#include "recover/restore_mongo.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "recover/restore_parts.hpp"

namespace holdfast::recover {

namespace {

// Measures the phases of a run.
class Stopwatch {
 public:
  explicit Stopwatch(Clock& clock) : clock_(clock), since_(clock.monotonic()) {}
  std::chrono::milliseconds lap() {
    const Duration now = clock_.monotonic();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - std::exchange(since_, now));
  }

 private:
  Clock& clock_;
  Duration since_;
};

// One restore, from the plan to the verdict.
class MongoRestore {
 public:
  MongoRestore(MomentStream& moment, mongo::Deployment& target, Context& context,
               const RestoreMongoOptions& options)
      : moment_(moment),
        target_(target),
        context_(context),
        options_(options),
        link_(target, context),
        catalog_(link_, options.uuids, notes_),
        marker_(link_, target, context, identity_of(moment, options)),
        watch_(context.clock) {}

  Result<RestoreMongoResult> run() {
    TRY(decide());
    TRY(marker_.claim());
    watch_.lap();
    auto result = execute();
    if (!result.has_value()) return fail(marker_.explain(std::move(result.error())));
    return result;
  }

 private:
  Result<RestoreMongoResult> execute() {
    InsertPool pool(target_, context_, options_.connections);
    RestoreWriter writer(setup(pool));
    TRY(write(writer));
    TRY(complete(writer, pool));
    result_.document_count = pool.inserted_count();
    for (WrittenCollection& each : writer.collections())
      result_.collections.push_back(std::move(each.result));
    result_.problems = std::move(notes_.problems);
    for (std::string& sentence : notes_.notes) result_.notes.push_back(std::move(sentence));
    if (result_.is_equal()) TRY(marker_.remove());
    return std::move(result_);
  }

  Result<void> decide() {
    RestoreMongoPlan& plan = result_.plan;
    plan = TRY(plan_for(moment_, target_, link_, marker_, options_));
    TRY(require_allowed(plan, options_));
    for (const std::string& sentence : plan.notes) context_.log.note(sentence);
    if (options_.on_plan) options_.on_plan(plan);
    return {};
  }

  WriterSetup setup(InsertPool& pool) {
    return {.link = link_,
            .pool = pool,
            .catalog = catalog_,
            .marker = marker_,
            .context = context_,
            .choice = moment_.choice(),
            .in_place = options_.in_place,
            .bytes_total = result_.plan.byte_count(),
            .collections_total = result_.plan.collections.size()};
  }

  Result<void> write(RestoreWriter& writer) {
    auto report = TRY(moment_.push(writer));
    TRY(writer.finish());
    for (std::string& sentence : report.notes) result_.notes.push_back(std::move(sentence));
    result_.write_time = watch_.lap();
    return {};
  }

  // Documents are there: all that is built on them. What deletes documents comes last.
  Result<void> complete(RestoreWriter& writer, InsertPool& pool) {
    auto& collections = writer.collections();
    TRY(build_all_indexes(collections, target_, context_, options_, notes_));
    result_.index_time = watch_.lap();
    TRY(read_back(collections, target_, context_, options_.connections));
    TRY(fill_gaps(collections, pool));
    note_differences(collections, notes_);
    result_.compare_time = watch_.lap();
    // What differs stays beside the old collection, and can be looked at.
    if (options_.in_place == InPlace::yes && !notes_.problems.empty()) return {};
    for (WrittenCollection& each : collections) TRY(place(each));
    for (const WrittenView& view : writer.views()) {
      TRY(catalog_.create_view(view.target, view.definition.options));
      for (const std::string& sentence : view.definition.notes) notes_.note(sentence);
    }
    for (WrittenCollection& each : collections) TRY(let_expire(each));
    result_.auth = TRY(merge_auth({writer.users(), writer.roles()}, link_, options_, notes_));
    return note_options(collections, link_, notes_);
  }

  // A server may lose what it had confirmed, when it crashes or a member is elected that did not
  // have it. What differs is written once more: documents that are there are skipped.
  Result<void> fill_gaps(std::vector<WrittenCollection>& collections, InsertPool& pool) {
    std::set<std::string, std::less<>> differing;
    for (const WrittenCollection& each : collections) {
      if (each.result.is_equal()) continue;
      differing.insert(each.result.ns);
      TRY(marker_.save(each.target.ns(), {}));
    }
    if (differing.empty()) return {};
    context_.log.warn(
        fmt::format("{} collections are not what was written: what they lack is "
                    "written again",
                    differing.size()));
    RestoreWriter again(setup(pool));
    TRY(moment_.push(again, [&](std::string_view ns) { return differing.contains(ns); }));
    TRY(again.finish());
    auto& repeated = again.collections();
    TRY(read_back(repeated, target_, context_, options_.connections));
    for (WrittenCollection& each : collections) {
      for (const WrittenCollection& now : repeated) {
        if (now.target == each.target) {
          each.result.target_count = now.result.target_count;
          each.result.target_digest = now.result.target_digest;
        }
      }
    }
    return {};
  }

  Result<void> place(WrittenCollection& collection) {
    if (collection.written == collection.target) return {};
    TRY(context_.check_stop());
    const bool is_placed = TRY(catalog_.rename_over(collection.written, collection.target));
    if (!is_placed) return {};
    collection.written = collection.target;
    return marker_.save(collection.target.ns(), {RestoreState::placed, {}});
  }

  Result<void> let_expire(WrittenCollection& collection) {
    // Not renamed: it is nobody's collection yet.
    if (collection.written != collection.target) return {};
    const auto built = TRY(catalog_.build_indexes(collection.target, collection.facts.indexes,
                                                  TargetCatalog::Which::with_expiry));
    collection.result.index_count += built;
    if (built > 0)
      notes_.note(
          fmt::format("the server deletes documents of {} by their age from now on, as its "
                      "indexes say: what had expired goes",
                      collection.target.ns()));
    const std::string_view time_series = time_series_of(collection.facts.name);
    const NamespaceName name = time_series.empty()
                                   ? collection.target
                                   : NamespaceName{collection.target.db, std::string(time_series)};
    return catalog_.set_expiry(name, collection.facts.options);
  }

  MomentStream& moment_;
  mongo::Deployment& target_;
  Context& context_;
  const RestoreMongoOptions& options_;
  TargetNotes notes_;
  PrimaryLink link_;
  TargetCatalog catalog_;
  RestoreMarker marker_;
  Stopwatch watch_;
  RestoreMongoResult result_;
};

}  // namespace

std::uint64_t RestoreMongoResult::read_back_count() const {
  std::uint64_t count = 0;
  for (const RestoredCollection& each : collections) count += each.target_count;
  return count;
}

std::string describe_verdict(const RestoreMongoResult& result) {
  if (result.is_equal())
    return fmt::format("PASS: {} documents of {} are on the server", result.read_back_count(),
                       result.plan.moment);
  constexpr std::size_t names_told_max = 5;
  std::vector<std::string> differing;
  for (const RestoredCollection& each : result.collections)
    if (!each.is_equal()) differing.push_back(each.target_ns);
  if (differing.empty())
    return fmt::format("FAIL: the documents of all {} collections are equal, but {}",
                       result.collections.size(), result.problems.front());
  const std::size_t count = differing.size();
  differing.resize(std::min(count, names_told_max));
  return fmt::format("FAIL: {} of {} collections differ: {}{}", count, result.collections.size(),
                     fmt::join(differing, ", "), count > names_told_max ? ", …" : "");
}

Result<RestoreMongoResult> restore_mongo(repo::Repository& repository, mongo::Deployment& target,
                                         const RestoreMongoOptions& options) {
  if (options.connections == 0 || options.connections > restore_connections_max)
    return fail(ErrorCode::usage, fmt::format("connections: 1 to {}", restore_connections_max));
  Context& context = repository.context();
  MomentStream moment = TRY(MomentStream::open(repository, options.moment));
  MongoRestore restore(moment, target, context, options);
  return restore.run();
}

}  // namespace holdfast::recover
