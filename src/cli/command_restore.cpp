#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/option_group.hpp"
#include "cli/output.hpp"
#include "cli/restore_database.hpp"
#include "recover/restore_files.hpp"

namespace holdfast::cli {
namespace {

constexpr std::size_t problems_printed_max = 100;

struct RestoreLine {
  recover::RestoreFilesOptions files;
  RestoreDatabaseLine database;
  const CLI::App* verb = nullptr;
  std::string to;
  bool overwrite = false;
  bool dry_run = false;
  bool verify = false;
};

recover::RestoreFilesOptions options_of(const RestoreLine& line) {
  auto options = line.files;
  options.to = line.to;
  if (line.overwrite) options.overwrite = recover::Overwrite::yes;
  if (line.dry_run) options.dry_run = recover::DryRun::yes;
  if (line.verify) options.read_back = recover::ReadBack::yes;
  return options;
}

nlohmann::ordered_json as_json(const recover::RestoreProblems& problems) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& problem : problems.kept)
    rows.push_back({{"path", problem.path}, {"message", problem.message}});
  return {{"count", problems.count}, {"first", rows}};
}

nlohmann::ordered_json as_json(const recover::RestoreFilesResult& result, const RestoreLine& line) {
  return {{"snapshot_id", result.snapshot.hex()},
          {"to", line.to},
          {"dry_run", line.dry_run},
          {"complete", result.is_complete()},
          {"files", result.files},
          {"directories", result.directories},
          {"links", result.links},
          {"hard_links", result.hard_links},
          {"others", result.others},
          {"files_kept", result.files_kept},
          {"bytes", result.bytes},
          {"bytes_kept", result.bytes_kept},
          {"bytes_fetched", result.bytes_fetched},
          {"blobs_fetched", result.blobs_fetched},
          {"bytes_read_back", result.bytes_read_back},
          {"conflicts", as_json(result.conflicts)},
          {"failures", as_json(result.failures)},
          {"warnings", as_json(result.warnings)}};
}

void print_text(const recover::RestoreFilesResult& result, const RestoreLine& line) {
  print(fmt::format("snapshot {} {} {}\n", result.snapshot.short_hex(),
                    line.dry_run ? "would be restored to" : "restored to", line.to));
  print(fmt::format("made    {} files, {} directories, {} links, {} hard links, {} others  {}\n",
                    result.files, result.directories, result.links, result.hard_links,
                    result.others, format_bytes(result.bytes)));
  if (result.files_kept > 0)
    print(fmt::format("kept    {} files that were there already  {}\n", result.files_kept,
                      format_bytes(result.bytes_kept)));
  if (result.bytes_read_back > 0)
    print(fmt::format("read back and compared  {}\n", format_bytes(result.bytes_read_back)));
}

void warn_of(Log& log, const recover::RestoreProblems& problems, std::string_view kind) {
  const std::size_t shown = std::min(problems.kept.size(), problems_printed_max);
  for (std::size_t at = 0; at < shown; ++at)
    log.warn(fmt::format("{}: {}: {}", kind, problems.kept[at].path, problems.kept[at].message));
  if (problems.count > shown) log.warn(fmt::format("and {} more", problems.count - shown));
}

// Something else stands there: refused; could not be written: failed.
int status_of(const recover::RestoreFilesResult& result) {
  if (result.failures.count > 0) return exit_status_of(ErrorCode::failed);
  if (result.conflicts.count > 0) return exit_status_of(ErrorCode::refused);
  return 0;
}

Result<int> restore_snapshot(Session& session, const RestoreLine& line) {
  if (line.files.snapshot.empty())
    return fail(ErrorCode::usage, "name a SNAPSHOT of files, or a database with --dataset");
  if (line.to.empty()) return fail(ErrorCode::usage, "name the directory with --to");
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "restore"));
  const auto result = TRY(recover::restore_files(*repository, options_of(line)));
  auto& log = session.context().log;
  warn_of(log, result.warnings, "restored with a loss");
  warn_of(log, result.conflicts, "left as it is");
  warn_of(log, result.failures, "not restored");
  if (session.format() == OutputFormat::json)
    print_json("restore", as_json(result, line));
  else
    print_text(result, line);
  return status_of(result);
}

Result<int> run_restore(Session& session, const RestoreLine& line) {
  if (!line.database.is_meant()) {
    TRY(refuse_server_for_files(session, line.to, line.files.snapshot));
    TRY(refuse_options(*line.verb, database_group, "is for a database, which --dataset names"));
    return restore_snapshot(session, line);
  }
  if (!line.files.snapshot.empty())
    return fail(ErrorCode::usage, "a SNAPSHOT is of files; a database is named by --dataset");
  TRY(refuse_options(*line.verb, files_group, "is for files, not for a database"));
  if (!line.database.undo.empty())
    TRY(refuse_options(*line.verb, database_group, "does not go with --undo",
                       {"--undo", "--dataset", "--uri-file", "--uri-command"}));
  auto database = line.database;
  database.preview = line.dry_run;
  if (!line.to.empty()) database.uri.text = line.to;
  return restore_database(session, database);
}

void add_file_options(CLI::App* verb, RestoreLine& given) {
  constexpr const char* group = files_group;
  verb->add_option("-i,--include", given.files.include, "gitignore pattern of what to restore")
      ->group(group);
  verb->add_option("-e,--exclude", given.files.exclude, "gitignore pattern of what to leave out")
      ->group(group);
  verb->add_flag("--overwrite", given.overwrite, "replace files that differ")->group(group);
  verb->add_flag("--verify", given.verify, "read every written file back and compare")
      ->group(group);
  verb->add_option("--threads", given.files.threads, "worker threads, 0: one per processor")
      ->check(CLI::Range(0U, recover::restore_threads_max))
      ->group(group);
}

}  // namespace

void add_restore(CommandLine& line) {
  auto given = std::make_shared<RestoreLine>();
  auto* verb = line.app.add_subcommand(
      "restore", "bring files of a snapshot, or a database, back to a new place");
  given->verb = verb;
  verb->add_option("SNAPSHOT", given->files.snapshot,
                   "id, its beginning, or latest; with :PATH only what is below that path");
  verb->add_option("--to", given->to, "directory, made when missing; or mongodb://…");
  verb->add_flag("--dry-run,--preview", given->dry_run, "say what would be done, change nothing");
  add_file_options(verb, *given);
  add_restore_database_options(verb, given->database);
  line.choose(verb, [given](Session& session) { return run_restore(session, *given); });
}

}  // namespace holdfast::cli
