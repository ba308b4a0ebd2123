#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "backup/next_base.hpp"
#include "base/units.hpp"
#include "catalog/mongo_moment.hpp"
#include "cli/author.hpp"
#include "cli/backup_database.hpp"
#include "cli/command.hpp"
#include "cli/moment.hpp"
#include "cli/option_range.hpp"
#include "cli/output.hpp"

namespace holdfast::cli {
namespace {

constexpr unsigned for_seconds_max = 10 * 366 * 86400;

struct StreamLine {
  BackupDatabaseLine database;
  std::vector<std::string> tags;
  std::string segment_age = "10s";
  std::string segment_size = "8M";
  std::string headroom = "1h";
  std::optional<std::uint64_t> for_seconds;
};

std::string sentence_of(const backup::BaseRequest& request) {
  if (request.lost_after.ts == oplog::Timestamp{})
    return fmt::format("{}: taking a base", backup::name_of(request.reason));
  return fmt::format("{}: history between {} and {} is lost; taking a new base",
                     backup::name_of(request.reason), catalog::describe(request.lost_after.ts),
                     catalog::describe(request.lost_until));
}

Result<backup::StreamOptions> options_of(const StreamLine& line) {
  backup::StreamOptions options;
  options.dataset = line.database.dataset;
  options.author = snapshot_author();
  options.tags = line.tags;
  const auto age = TRY(span_within("--segment-age", line.segment_age, {"100ms", "1h"}));
  options.segment_age_max = std::chrono::duration_cast<std::chrono::milliseconds>(age);
  options.segment_bytes_max = TRY(size_within("--segment-size", line.segment_size, {"1K", "8M"}));
  const auto headroom = TRY(parse_span(line.headroom));
  options.headroom_min = std::chrono::duration_cast<std::chrono::seconds>(headroom);
  if (line.for_seconds) options.for_seconds = std::chrono::seconds(*line.for_seconds);
  return options;
}

// A base is read from the server while the stream waits; its own oplog covers that time.
backup::TakeBase base_taker(Session& session, repo::Repository& repository,
                            mongo::Deployment& deployment, const backup::NextBaseOptions& options) {
  return [&session, &repository, &deployment,
          options](const backup::BaseRequest& request) -> Result<void> {
    auto& log = session.context().log;
    log.warn(sentence_of(request));
    auto full = options;
    full.policy.is_forced = true;
    const auto base = TRY(backup::next_base(repository, deployment, full));
    log.note(describe(base));
    return {};
  };
}

nlohmann::ordered_json as_json(const StreamLine& line, const backup::StreamResult& result) {
  const auto& status = result.status;
  nlohmann::ordered_json document{{"dataset", line.database.dataset},
                                  {"member", status.member},
                                  {"entries", status.entry_count},
                                  {"bytes", status.byte_count},
                                  {"refused", status.refused_count},
                                  {"publications", status.publication_count},
                                  {"roll_ups", status.roll_up_count},
                                  {"reconnects", status.reconnect_count},
                                  {"gaps", status.gap_count},
                                  {"divergences", status.divergence_count},
                                  {"bases", status.base_count},
                                  {"exposure_max_ms", status.exposure_max.count()},
                                  {"notes", result.notes}};
  if (status.recorded) document["recorded"] = moment_as_json(status.recorded->ts);
  return document;
}

void print_text(const StreamLine& line, const backup::StreamResult& result) {
  const auto& status = result.status;
  print(fmt::format("{}  {} entries ({}) in {} publications; {} reconnects, {} gaps, {} bases\n",
                    line.database.dataset, status.entry_count, format_bytes(status.byte_count),
                    status.publication_count, status.reconnect_count, status.gap_count,
                    status.base_count));
  if (status.recorded)
    print(fmt::format("recorded up to {}\n", catalog::describe(status.recorded->ts)));
}

Result<int> run_stream(Session& session, const StreamLine& line) {
  auto options = TRY(options_of(line));
  const auto base_options = TRY(next_base_options(line.database, {.tags = line.tags}));
  const auto deployment = TRY(connect(session, line.database.uri));
  const auto purpose =
      line.database.change_streams ? mongo::Purpose::change_stream : mongo::Purpose::stream;
  TRY(require_grants(*deployment, mongo::ReadFrom::secondary_preferred, purpose));
  const auto source =
      TRY(dataset::open_history(*deployment, session.context(), base_options.full.history));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "stream"));
  options.other_server = base_options.full.other_server;
  options.take_base = base_taker(session, *repository, *deployment, base_options);
  options.on_status = [&session](const backup::StreamStatus& status) {
    session.context().log.progress({.phase = "stream",
                                    .files_done = status.publication_count,
                                    .bytes_done = status.byte_count});
  };
  const auto result = TRY(backup::stream_mongo(*repository, *source, options));
  for (const auto& note : result.notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json)
    print_json("stream", as_json(line, result));
  else
    print_text(line, result);
  return 0;
}

}  // namespace

void add_stream(CommandLine& line) {
  auto given = std::make_shared<StreamLine>();
  auto* verb = line.app.add_subcommand(
      "stream", "capture the oplog of a replica set until stopped: recovery to any second");
  verb->add_option("URI", given->database.uri.text, "mongodb://…");
  verb->add_option("--dataset", given->database.dataset, "name of the database in this repository")
      ->required();
  add_uri_options(verb, given->database.uri);
  verb->add_option("--for", given->for_seconds, "stop after so many seconds")
      ->check(CLI::Range(1U, for_seconds_max));
  verb->add_option("--segment-age", given->segment_age, "publish at least so often, 100ms to 1h")
      ->capture_default_str();
  verb->add_option("--segment-size", given->segment_size, "publish at this size, 1K to 8M")
      ->capture_default_str();
  verb->add_option("--headroom", given->headroom,
                   "warn when the server's oplog would last for less than this")
      ->capture_default_str();
  verb->add_option("--tag", given->tags, "tag of the snapshots (repeatable)");
  verb->add_flag("--change-streams", given->database.change_streams,
                 "read history from change streams, where nobody may read the oplog");
  verb->add_flag("--other-server", given->database.is_other_server_accepted,
                 "go on although the dataset records another replica set");
  verb->add_option("--connections", given->database.connections, "for a base, at once")
      ->capture_default_str()
      ->check(CLI::Range(1, 16));
  verb->add_option("--max-rate", given->database.max_rate,
                   "bytes a second read for a base, like 20M");
  line.choose(verb, [given](Session& session) { return run_stream(session, *given); });
}

}  // namespace holdfast::cli
