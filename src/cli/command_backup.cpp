#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "backup/backup_files.hpp"
#include "base/process.hpp"
#include "base/time_text.hpp"
#include "base/units.hpp"
#include "cli/author.hpp"
#include "cli/backup_database.hpp"
#include "cli/command.hpp"
#include "cli/option_group.hpp"
#include "cli/output.hpp"
#include "repo/node_time.hpp"

namespace holdfast::cli {
namespace {

constexpr std::size_t problems_printed_max = 100;

// Texts as they stand on the line, before they become options of the use case.
struct BackupLine {
  backup::FilesBackupOptions files;
  BackupDatabaseLine database;
  std::vector<std::string> exclude_files;
  std::optional<std::string> exclude_larger_than;
  bool exclude_caches = false;
  bool cross_file_systems = false;
  std::optional<std::string> before, after, time, parent, host;
  bool full = false;
  bool dry_run = false;
  bool local_times = false;
  bool ignore_ctime = false;
  bool ignore_inode = false;
  bool no_extra_verify = false;
};

Result<std::vector<std::string>> words_of(const std::optional<std::string>& command) {
  if (!command) return std::vector<std::string>{};
  return split_words(*command);
}

Result<std::optional<WallTime>> time_of(const std::optional<std::string>& text) {
  if (!text) return std::optional<WallTime>{};
  const auto parsed = parse_time(*text);
  if (!parsed.has_value()) return fail(ErrorCode::usage, "--time: " + parsed.error().message);
  return std::optional<WallTime>(repo::to_wall_time({parsed->seconds, parsed->nanoseconds, 0}));
}

Result<backup::FilesBackupOptions> options_of(const BackupLine& line) {
  auto options = line.files;
  for (const auto& file : line.exclude_files) options.exclude.pattern_files.emplace_back(file);
  if (line.exclude_larger_than)
    options.exclude.larger_than_bytes = TRY(parse_size(*line.exclude_larger_than));
  options.exclude.caches = line.exclude_caches;
  if (line.cross_file_systems) options.file_systems = dataset::FileSystems::all;
  options.before = TRY(words_of(line.before));
  options.after = TRY(words_of(line.after));
  options.time = TRY(time_of(line.time));
  options.author = snapshot_author();
  if (line.host) options.author.hostname = *line.host;
  if (line.full) options.parent_choice = backup::ParentChoice::none;
  if (line.parent) {
    options.parent_choice = backup::ParentChoice::given;
    options.parent = *line.parent;
  }
  options.change_detection = {!line.ignore_ctime, !line.ignore_inode};
  if (line.dry_run) options.dry_run = backup::DryRun::yes;
  if (line.local_times) options.time_offset = TimeOffset::local;
  if (line.no_extra_verify) options.writer.extra_verify = repo::ExtraVerify::no;
  return options;
}

nlohmann::ordered_json problems_as_json(const backup::ProblemList& problems) {
  auto rows = nlohmann::ordered_json::array();
  for (const auto& problem : problems.kept)
    rows.push_back({{"path", problem.path}, {"message", problem.message}});
  return rows;
}

nlohmann::ordered_json as_json(const backup::FilesBackupResult& result, Duration spent) {
  const auto& summary = result.summary;
  nlohmann::ordered_json document{
      {"complete", result.is_complete()},
      {"tree", result.tree.hex()},
      {"files_new", summary.files_new},
      {"files_changed", summary.files_changed},
      {"files_unmodified", summary.files_unmodified},
      {"dirs_new", summary.dirs_new},
      {"dirs_changed", summary.dirs_changed},
      {"dirs_unmodified", summary.dirs_unmodified},
      {"data_blobs", summary.data_blobs},
      {"tree_blobs", summary.tree_blobs},
      {"data_added", summary.data_added},
      {"data_added_packed", summary.data_added_packed},
      {"total_files_processed", summary.total_files_processed},
      {"total_bytes_processed", summary.total_bytes_processed},
      {"excluded", result.excluded},
      {"seconds", std::chrono::duration<double>(spent).count()},
      {"unreadable_count", result.unreadable.count},
      {"unreadable", problems_as_json(result.unreadable)},
      {"changed_while_read", problems_as_json(result.changed_while_read)},
      {"unmatched_globs", result.unmatched_globs}};
  if (result.snapshot) document["snapshot_id"] = result.snapshot->hex();
  if (result.parent) document["parent"] = result.parent->hex();
  return document;
}

void print_text(const backup::FilesBackupResult& result, Duration spent) {
  const auto& summary = result.summary;
  print(fmt::format("files   {} new, {} changed, {} unmodified\n", summary.files_new,
                    summary.files_changed, summary.files_unmodified));
  print(fmt::format("dirs    {} new, {} changed, {} unmodified\n", summary.dirs_new,
                    summary.dirs_changed, summary.dirs_unmodified));
  print(fmt::format("read    {} files, {}  in {}\n", summary.total_files_processed,
                    format_bytes(summary.total_bytes_processed), format_span(spent)));
  print(fmt::format("added   {} ({} stored)\n", format_bytes(summary.data_added),
                    format_bytes(summary.data_added_packed)));
  if (result.snapshot)
    print(fmt::format("snapshot {} saved{}\n", result.snapshot->short_hex(),
                      result.parent ? ", parent " + result.parent->short_hex() : ""));
  else
    print("dry run: nothing was stored\n");
}

// What a person must see although the run went on: each path once, a count of the rest.
void warn_of_problems(Log& log, const backup::FilesBackupResult& result) {
  for (const auto* list :
       {&result.unreadable, &result.changed_while_read, &result.attribute_warnings}) {
    const std::size_t shown = std::min(list->kept.size(), problems_printed_max);
    for (std::size_t at = 0; at < shown; ++at)
      log.warn(fmt::format("{}: {}", list->kept[at].path, list->kept[at].message));
    if (list->count > shown) log.warn(fmt::format("and {} more", list->count - shown));
  }
  for (const auto& glob : result.unmatched_globs) log.warn(fmt::format("{} matches nothing", glob));
  if (result.after_error) log.warn("after: " + describe(*result.after_error));
}

Result<int> backup_paths(Session& session, const BackupLine& line) {
  const auto options = TRY(options_of(line));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "backup"));
  const auto started = session.context().clock.monotonic();
  const auto result = TRY(backup::backup_files(*repository, options));
  const auto spent = session.context().clock.monotonic() - started;

  warn_of_problems(session.context().log, result);
  if (session.format() == OutputFormat::json)
    print_json("backup", as_json(result, spent));
  else
    print_text(result, spent);
  return result.is_complete() ? 0 : exit_status_of(ErrorCode::source_incomplete);
}

bool means_database(const BackupLine& line) {
  const auto& paths = line.files.paths;
  return line.database.uri.is_given() || (!line.database.dataset.empty() && paths.empty()) ||
         std::any_of(paths.begin(), paths.end(), mongo::looks_like_uri);
}

Result<int> run_backup(Session& session, const CLI::App& verb, const BackupLine& line) {
  const auto& paths = line.files.paths;
  if (!means_database(line)) {
    if (paths.empty()) return fail(ErrorCode::usage, "name what to save: PATH… or mongodb://…");
    TRY(refuse_options(
        verb, database_group,
        "is for a database (mongodb://…, --uri-file or --uri-command), not for files"));
    return backup_paths(session, line);
  }
  const bool is_one = paths.size() <= 1 && (paths.empty() || mongo::looks_like_uri(paths.front()));
  if (!is_one)
    return fail(ErrorCode::usage, "a database is saved alone: one mongodb://… and no paths");
  TRY(refuse_options(verb, files_group, "is for files, not for a database"));
  auto database = line.database;
  if (!paths.empty()) database.uri.text = paths.front();
  const BackupDatabaseCommon shared{line.files.tags, line.files.writer, line.full};
  if (line.dry_run) return plan_backup_database(session, database, shared);
  return backup_database(session, database, shared);
}

void add_exclude_options(CLI::App* verb, BackupLine& line) {
  auto& exclude = line.files.exclude;
  verb->add_option("-e,--exclude", exclude.patterns, "gitignore pattern to leave out")
      ->group(files_group);
  verb->add_option("--exclude-file", line.exclude_files, "file of gitignore patterns")
      ->group(files_group);
  verb->add_option("--exclude-if-present", exclude.if_present,
                   "leave out directories that hold NAME[:header]")
      ->group(files_group);
  verb->add_flag("--exclude-caches", line.exclude_caches, "leave out CACHEDIR.TAG directories")
      ->group(files_group);
  verb->add_option("--exclude-larger-than", line.exclude_larger_than, "leave out larger files")
      ->group(files_group);
  verb->add_flag("--cross-file-systems", line.cross_file_systems,
                 "also enter what is mounted below the paths")
      ->group(files_group);
}

void add_snapshot_options(CLI::App* verb, BackupLine& line) {
  verb->add_option("--tag", line.files.tags, "tag of the snapshot (repeatable)");
  verb->add_option("--note", line.files.note, "a sentence kept with the snapshot")
      ->group(files_group);
  verb->add_option("--host", line.host, "host name to record")->group(files_group);
  verb->add_option("--time", line.time, "time to record, RFC 3339")->group(files_group);
  verb->add_option("--parent", line.parent, "compare with this snapshot")->group(files_group);
  verb->add_flag("--full", line.full,
                 "read everything, compare with no snapshot; a database: read it from the server");
  verb->add_flag("--local-times", line.local_times,
                 "tree times in local time as restic writes them, instead of UTC")
      ->group(files_group);
}

void add_run_options(CLI::App* verb, BackupLine& line) {
  verb->add_option("--require", line.files.required,
                   "fail unless this path or glob is saved (repeatable)")
      ->group(files_group);
  verb->add_option("--before", line.before, "command to run first; its failure stops the run")
      ->group(files_group);
  verb->add_option("--after", line.after, "command to run at the end, in any case")
      ->group(files_group);
  verb->add_flag("--dry-run", line.dry_run,
                 "compare only, store nothing; a database: say what would be done");
  verb->add_flag("--ignore-ctime", line.ignore_ctime, "a new ctime alone is no change")
      ->group(files_group);
  verb->add_flag("--ignore-inode", line.ignore_inode, "a new inode number alone is no change")
      ->group(files_group);
  verb->add_flag("--no-extra-verify", line.no_extra_verify,
                 "do not read back each blob before it is stored");
  verb->add_option("--compression", line.files.writer.compression_level, "zstd level, -5 to 19")
      ->check(CLI::Range(-5, 19));
  verb->add_option("--threads", line.files.threads, "worker threads, 0: one per processor")
      ->check(CLI::Range(0U, backup::threads_max))
      ->group(files_group);
}

}  // namespace

catalog::SnapshotAuthor snapshot_author() {
  return {host_name(), user_name(), geteuid(), getegid(), std::string(program_name_and_version)};
}

void add_backup(CommandLine& line) {
  auto given = std::make_shared<BackupLine>();
  auto* verb =
      line.app.add_subcommand("backup", "save files and directories, or a database, as a snapshot");
  verb->add_option("PATH", given->files.paths, "files, directories or globs; or one mongodb://…");
  add_exclude_options(verb, *given);
  add_snapshot_options(verb, *given);
  add_run_options(verb, *given);
  add_backup_database_options(verb, given->database);
  line.choose(verb, [given, verb](Session& session) { return run_backup(session, *verb, *given); });
}

}  // namespace holdfast::cli
