#include "cli/backup_database.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.hpp"
#include "catalog/dataset_status.hpp"
#include "catalog/mongo_moment.hpp"
#include "catalog/server_identity.hpp"
#include "cli/author.hpp"
#include "cli/base_json.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/option_group.hpp"
#include "cli/option_range.hpp"
#include "cli/output.hpp"

namespace holdfast::cli {
namespace {

constexpr unsigned queue_max = 1'000'000;
constexpr unsigned full_every_days_max = 3650;

nlohmann::ordered_json row_of(const backup::SyntheticCollection& collection) {
  return {{"ns", collection.ns},
          {"kind", collection.type},
          {"count", collection.count},
          {"bytes", collection.bytes},
          {"chunks", collection.chunk_count},
          {"chunks_kept", collection.chunk_kept_count},
          {"chunks_new", collection.chunk_new_count},
          {"digest", collection.digest.hex()}};
}

nlohmann::ordered_json row_of(const backup::ImportedCollection& collection) {
  return collection_as_json(collection);
}

template <class Collections>
nlohmann::ordered_json rows_of(const Collections& collections) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& collection : collections) rows.push_back(row_of(collection));
  return rows;
}

void add_full(nlohmann::ordered_json& document, const backup::BackupMongoResult& full) {
  document["collections"] = rows_of(full.base.collections);
  document["server_version"] = full.server_version;
  document["member"] = full.member;
  document["bytes_read"] = full.bytes_read;
  document["ranges_read"] = full.ranges_read;
  document["ranges_resumed"] = full.ranges_resumed;
  document["data_added"] = full.base.summary.data_added;
  document["data_added_packed"] = full.base.summary.data_added_packed;
  if (full.base.snapshot) document["snapshot_id"] = full.base.snapshot->hex();
}

void add_synthetic(nlohmann::ordered_json& document, const backup::SyntheticResult& synthetic) {
  document["collections"] = rows_of(synthetic.collections);
  document["at"] = moment_as_json(synthetic.at);
  document["previous"] = synthetic.previous.hex();
  if (synthetic.deferred) {
    document["rewrite_bytes"] = synthetic.deferred->rewrite_bytes;
    document["oplog_bytes"] = synthetic.deferred->recorded.bytes;
    document["oplog_entries"] = synthetic.deferred->recorded.entries;
  }
  document["chunks_read"] = synthetic.chunk_read_count;
  document["data_added"] = synthetic.summary.data_added;
  document["data_added_packed"] = synthetic.summary.data_added_packed;
  if (synthetic.snapshot) document["snapshot_id"] = synthetic.snapshot->hex();
  if (synthetic.check)
    document["check"] = {{"equal", synthetic.check->equal_count},
                         {"undecided", synthetic.check->undecided_count}};
}

std::string_view kind_of(const backup::NextBaseResult& result) {
  if (result.full) return "full";
  if (result.synthetic->deferred) return "deferred";
  return result.synthetic->snapshot ? "synthetic" : "unchanged";
}

// The moments of which the base is one.
struct Window {
  oplog::Timestamp from, to;
};

// Of a base that was read: its own. Else those of the chain that it continues.
std::optional<Window> window_of(const backup::NextBaseResult& result) {
  if (result.full) {
    const auto& base = result.full->base;
    if (!base.recoverable_from || !base.recoverable_to) return std::nullopt;
    return Window{*base.recoverable_from, *base.recoverable_to};
  }
  const auto& window = result.synthetic->window;
  return window ? std::optional(Window{window->from, window->to}) : std::nullopt;
}

nlohmann::ordered_json as_json(const std::string& dataset, const backup::NextBaseResult& result,
                               const std::optional<Window>& window, Duration spent) {
  nlohmann::ordered_json document{{"dataset", dataset},
                                  {"kind", kind_of(result)},
                                  {"reason", result.decision.reason},
                                  {"seconds", std::chrono::duration<double>(spent).count()},
                                  {"recorded_entries", result.recorded.entries},
                                  {"recorded_bytes", result.recorded.bytes}};
  if (result.full) add_full(document, *result.full);
  if (result.synthetic) add_synthetic(document, *result.synthetic);
  if (!window) return document;
  document["recoverable_from"] = moment_as_json(window->from);
  document["recoverable_to"] = moment_as_json(window->to);
  return document;
}

template <class Collections>
std::uint64_t documents_in(const Collections& collections) {
  std::uint64_t count = 0;
  for (const auto& collection : collections) count += collection.count;
  return count;
}

void print_text(const std::string& dataset, const backup::NextBaseResult& result,
                const std::optional<Window>& window, Duration spent) {
  print(fmt::format("{}  {}  in {}\n", dataset, describe(result), format_time_taken(spent)));
  const auto* summary = result.full ? &result.full->base.summary : &result.synthetic->summary;
  if (!result.full)
    print(fmt::format("recorded  {} entries of the oplog, {}\n", result.recorded.entries,
                      format_bytes(result.recorded.bytes)));
  if (result.full || result.synthetic->snapshot)
    print(fmt::format("added   {} ({} stored)\n", format_bytes(summary->data_added),
                      format_bytes(summary->data_added_packed)));
  if (window)
    print(fmt::format("recoverable  every moment from {} to {}\n", catalog::describe(window->from),
                      catalog::describe(window->to)));
}

void tell_notes(Log& log, const backup::NextBaseResult& result) {
  for (const auto& note : result.notes) log.warn(note);
  if (result.full)
    for (const auto& note : result.full->base.notes) log.note(note);
  if (result.full && result.full->base.oplog)
    for (const auto& gap : result.full->base.oplog->gaps) log.warn(gap);
  if (result.synthetic)
    for (const auto& note : result.synthetic->notes) log.note(note);
}

// A tag that stands nowhere must not be looked for later.
void warn_of_tags(Log& log, const std::vector<std::string>& tags,
                  const backup::NextBaseResult& result) {
  if (tags.empty() || result.full || result.synthetic->snapshot) return;
  log.warn(fmt::format("--tag was not applied to a base: this run made none ({} makes one)",
                       result.synthetic->deferred ? "--new-base" : "--full"));
}

// What the server's history says to a plan: another replica set is refused, and a base can not be
// computed without the entries that came since the last one.
Result<void> compare_with_server(repo::Repository& repository, mongo::Deployment& deployment,
                                 const backup::NextBaseOptions& options,
                                 backup::FullDecision& decision) {
  auto source = dataset::open_history(deployment, repository.context(), options.full.history);
  const bool has_none = !source.has_value() && source.error().code == ErrorCode::unsupported;
  if (has_none && decision.kind == backup::FullKind::synthetic)
    decision = {backup::FullKind::real, "it can not be computed: " + source.error().message};
  if (has_none) return {};
  const auto history = TRY(std::move(source));
  const auto facts = TRY(history->facts());
  const auto snapshots = TRY(repository.snapshots());
  TRY(catalog::checked_tags(snapshots, {facts.set_name, facts.set_id}, options.full.dataset,
                            options.full.other_server));
  if (decision.kind != backup::FullKind::synthetic) return {};
  if (options.full.history != dataset::HistoryFrom::oplog) return {};
  const auto oldest = TRY(history->oldest());
  const auto points = TRY(catalog::MongoPoints::load(repository, snapshots, options.full.dataset));
  if (!oldest) return {};
  const auto status = catalog::status_of(points, repository.context().clock.now(),
                                         catalog::ServerOplog{oldest->time.ts, oldest->time.ts});
  if (status.lost)
    decision = {
        backup::FullKind::real,
        fmt::format("the server has overwritten what came after {} and before {}",
                    catalog::describe(status.lost->from), catalog::describe(status.lost->to))};
  return {};
}

// The server, with the grants that a backup needs.
Result<std::unique_ptr<mongo::Deployment>> reach(Session& session, const BackupDatabaseLine& line) {
  if (line.dataset.empty())
    return fail(ErrorCode::usage, "a database needs a name in the repository: --dataset NAME");
  auto deployment = TRY(connect(session, line.uri));
  const auto purpose = line.change_streams ? mongo::Purpose::change_stream : mongo::Purpose::backup;
  TRY(require_grants(*deployment, mongo::ReadFrom::secondary_preferred, purpose));
  return deployment;
}

}  // namespace

std::string describe(const backup::NextBaseResult& result) {
  if (result.full) {
    const auto& base = result.full->base;
    return fmt::format("snapshot {}, read from the server ({}): {} collections, {} documents",
                       base.snapshot ? base.snapshot->short_hex() : "none", result.decision.reason,
                       base.collections.size(), documents_in(base.collections));
  }
  const auto& synthetic = *result.synthetic;
  if (synthetic.deferred)
    return fmt::format(
        "base {} stays: what changed since ({} entries, {}) is spread over at least {} of it; "
        "every moment up to {} can be recovered",
        synthetic.previous.short_hex(), synthetic.deferred->recorded.entries,
        format_bytes(synthetic.deferred->recorded.bytes),
        format_bytes(synthetic.deferred->rewrite_bytes), catalog::describe(synthetic.at));
  if (!synthetic.snapshot)
    return fmt::format("nothing is new since base {}", synthetic.previous.short_hex());
  return fmt::format("snapshot {}, computed from {} and the recorded oplog: {} documents as of {}",
                     synthetic.snapshot->short_hex(), synthetic.previous.short_hex(),
                     documents_in(synthetic.collections), catalog::describe(synthetic.at));
}

void add_backup_database_options(CLI::App* verb, BackupDatabaseLine& line) {
  verb->add_option("--dataset", line.dataset, "name of the database in this repository")
      ->group(database_group);
  verb->add_option("--uri-file", line.uri.file, "file with the connection string")
      ->group(database_group);
  verb->add_option("--uri-command", line.uri.command, "command that prints the connection string")
      ->group(database_group);
  verb->add_option("--connections", line.connections, "read from the server at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 16))
      ->group(database_group);
  verb->add_option("--max-rate", line.max_rate, "bytes read a second, like 20M")
      ->group(database_group);
  verb->add_option("--max-load", line.max_load,
                   "pause while more operations wait in the server's queues, at most a minute at a "
                   "time: then it warns and goes on")
      ->check(CLI::Range(1U, queue_max))
      ->group(database_group);
  verb->add_option("--max-lag", line.lag_max,
                   "pause while a secondary lags more, like 10s; at most a minute at a time")
      ->group(database_group);
  verb->add_flag("--change-streams", line.change_streams,
                 "read history from change streams, where nobody may read the oplog")
      ->group(database_group);
  verb->add_option("--full-every", line.full_every_days,
                   "days after which everything is read from the server again")
      ->capture_default_str()
      ->check(CLI::Range(1U, full_every_days_max))
      ->group(database_group);
  verb->add_flag("--other-server", line.is_other_server_accepted,
                 "go on although the dataset records another replica set: what contradicts it is "
                 "put aside, and everything is read")
      ->group(database_group);
  verb->add_flag("--new-base", line.is_new_base_wanted,
                 "compute a new base even where that rewrites much more than has changed")
      ->group(database_group);
}

Result<backup::NextBaseOptions> next_base_options(const BackupDatabaseLine& line,
                                                  const BackupDatabaseCommon& common) {
  constexpr int hours_a_day = 24;
  backup::NextBaseOptions options;
  options.full.dataset = line.dataset;
  options.full.author = snapshot_author();
  options.full.tags = common.tags;
  options.full.temp_directory = temp_directory();
  options.full.threads = line.connections;
  options.full.writer = common.writer;
  if (!line.max_rate.empty())
    options.full.max_rate = TRY(size_within("--max-rate", line.max_rate, {"1K", "1T"}));
  options.full.max_load = line.max_load;
  if (line.change_streams) options.full.history = dataset::HistoryFrom::change_stream;
  if (!line.lag_max.empty()) {
    const auto lag = TRY(span_within("--max-lag", line.lag_max, {"1s", "1d"}));
    options.full.lag_max = std::chrono::duration_cast<std::chrono::seconds>(lag);
  }
  options.policy.is_forced = common.is_full;
  if (line.is_other_server_accepted) options.full.other_server = catalog::OtherServer::accept;
  options.rewrite.may_put_off = !line.is_new_base_wanted;
  options.policy.real_full_age_max = std::chrono::hours(line.full_every_days * hours_a_day);
  return options;
}

Result<int> backup_database(Session& session, const BackupDatabaseLine& line,
                            const BackupDatabaseCommon& common) {
  const auto options = TRY(next_base_options(line, common));
  const auto deployment = TRY(reach(session, line));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "backup"));
  const auto started = session.context().clock.monotonic();
  const auto result = TRY(backup::next_base(*repository, *deployment, options));
  const auto spent = session.context().clock.monotonic() - started;
  const auto window = window_of(result);
  tell_notes(session.context().log, result);
  warn_of_tags(session.context().log, common.tags, result);
  if (session.format() == OutputFormat::json)
    print_json("backup", as_json(line.dataset, result, window, spent));
  else
    print_text(line.dataset, result, window, spent);
  return 0;
}

Result<int> plan_backup_database(Session& session, const BackupDatabaseLine& line,
                                 const BackupDatabaseCommon& common) {
  const auto options = TRY(next_base_options(line, common));
  const auto deployment = TRY(reach(session, line));
  const auto version = TRY(deployment->server_version());
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "backup"));
  auto decision = TRY(backup::plan_next_base(*repository, options));
  TRY(compare_with_server(*repository, *deployment, options, decision));
  const bool is_full = decision.kind == backup::FullKind::real;
  if (session.format() == OutputFormat::json) {
    print_json("backup", nlohmann::ordered_json{{"dataset", line.dataset},
                                                {"kind", "dry-run"},
                                                {"would_be", is_full ? "full" : "synthetic"},
                                                {"reason", decision.reason},
                                                {"server_version", version}});
    return 0;
  }
  print(fmt::format("{}  dry run: {} ({}); nothing was stored\n", line.dataset,
                    is_full ? "all would be read from the server"
                            : "the oplog would be recorded and the next base computed from it",
                    decision.reason));
  return 0;
}

}  // namespace holdfast::cli
