#include "backup/backup_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "backup/backup_run.hpp"
#include "base/process.hpp"

namespace holdfast::backup {
namespace {

// One tick of a coarse kernel clock is at most 10 ms (HZ=100).
constexpr std::chrono::milliseconds clock_tick{10};

Result<void> run_command(const std::vector<std::string>& argv, std::string_view which) {
  if (argv.empty()) return {};
  const auto ended = TRY(run_process(argv, Capture::none));
  if (ended.exit_status == 0) return {};
  return fail(ErrorCode::failed, fmt::format("the {} command {} ended with status {}", which,
                                             argv.front(), ended.exit_status));
}

struct Targets {
  dataset::TargetTree tree;
  std::vector<std::string> unmatched_globs;
};

Result<Targets> choose_targets(const FilesBackupOptions& options) {
  auto expanded = TRY(dataset::expand_globs(options.paths));
  if (expanded.paths.empty() && !expanded.unmatched.empty())
    return fail(ErrorCode::not_found,
                fmt::format("nothing matches {}", expanded.unmatched.front()));
  const auto exists = [](const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0;
  };
  if (!expanded.paths.empty() && std::none_of(expanded.paths.begin(), expanded.paths.end(), exists))
    return fail(ErrorCode::not_found, fmt::format("{} does not exist", expanded.paths.front()));
  Targets targets;
  targets.tree = TRY(dataset::build_target_tree(expanded.paths));
  targets.unmatched_globs = std::move(expanded.unmatched);
  return targets;
}

// Snapshots are listed before the index is loaded, so that the parent's blobs are in it (A13).
Result<std::optional<repo::StoredSnapshot>> load_parent(repo::Repository& repository,
                                                        const FilesBackupOptions& options,
                                                        const dataset::TargetTree& tree,
                                                        WallTime time) {
  std::optional<repo::StoredSnapshot> parent;
  if (options.parent_choice == ParentChoice::given) {
    parent = TRY(repository.find_snapshot(options.parent));
  } else if (options.parent_choice == ParentChoice::newest_alike) {
    const auto snapshots = TRY(repository.snapshots());
    const auto* chosen = choose_parent(snapshots, options.author.hostname, tree.paths, time);
    if (chosen != nullptr) parent = *chosen;
  }
  TRY(repository.load_index());
  return parent;
}

UncertainTimes uncertain_times(const std::optional<repo::StoredSnapshot>& parent) {
  if (!parent || !parent->snapshot.summary) return {};
  const auto& summary = *parent->snapshot.summary;
  return {repo::to_wall_time(summary.backup_start) - clock_tick,
          repo::to_wall_time(summary.backup_end)};
}

unsigned thread_count(const FilesBackupOptions& options) {
  const auto wanted = options.threads != 0 ? options.threads : std::thread::hardware_concurrency();
  return std::clamp(wanted, 1U, threads_max);
}

void fill_summary(repo::SnapshotSummary& summary, const BackupCounters& counters) {
  summary.files_new = counters.files_new;
  summary.files_changed = counters.files_changed;
  summary.files_unmodified = counters.files_unmodified;
  summary.dirs_new = counters.dirs_new;
  summary.dirs_changed = counters.dirs_changed;
  summary.dirs_unmodified = counters.dirs_unmodified;
  summary.total_files_processed =
      counters.files_new + counters.files_changed + counters.files_unmodified;
  summary.total_bytes_processed = counters.bytes_done;
}

// One backup between its commands. Steps are called once, in the order of the functions.
class FilesBackup {
 public:
  FilesBackup(repo::Repository& repository, const FilesBackupOptions& options)
      : repository_(repository), options_(options), context_(repository.context()) {}

  Result<FilesBackupResult> run() {
    started_ = context_.clock.now();
    time_ = options_.time.value_or(started_);
    dataset::raise_open_files_limit();
    targets_ = TRY(choose_targets(options_));
    parent_ = TRY(load_parent(repository_, options_, targets_.tree, time_));
    walk_options_.file_systems = options_.file_systems;
    walk_options_.exclude = TRY(dataset::ExcludeRules::make(options_.exclude));
    required_ = TRY(RequiredPaths::make(options_.required));
    if (parent_) result_.parent = parent_->id;
    TRY(options_.dry_run == DryRun::yes ? count_only() : store());
    problems_.move_to(result_);
    result_.unmatched_globs = std::move(targets_.unmatched_globs);
    return std::move(result_);
  }

 private:
  RunSetup setup(ParentTree& parents) {
    return {options_, context_, parents, uncertain_times(parent_), problems_, required_, result_};
  }

  Result<void> count_only() {
    ParentTree parents(repository_, parent_ ? &*parent_ : nullptr);
    const auto run_setup = setup(parents);
    CountingVisitor visitor(run_setup, counters_);
    TRY(dataset::walk_targets(targets_.tree, walk_options_, visitor));
    fill_summary(result_.summary, counters_);
    return check_required();
  }

  Result<void> store() {
    auto writer = TRY(repo::Writer::make(repository_, options_.writer));
    auto stored = store_contents(writer);
    if (!stored.has_value()) {
      // What was stored so far is worth keeping: the next run will find it.
      if (stored.error().code == ErrorCode::interrupted) TRY(writer.finish());
      return fail(std::move(stored.error()));
    }
    TRY(check_required());
    return publish(writer, *stored);
  }

  Result<repo::BlobId> store_contents(repo::Writer& writer) {
    const auto polynomial = repo::Polynomial{repository_.config().chunker_polynomial};
    const auto chunker = TRY(repo::Chunker::make(polynomial));
    TreeInProgress::Run run{writer, counters_};
    const ReaderSetup reader_setup{writer,
                                   chunker,
                                   counters_,
                                   problems_,
                                   context_,
                                   options_.time_offset,
                                   thread_count(options_)};
    const auto readers = TRY(ContentReaders::make(reader_setup));
    ParentTree parents(repository_, parent_ ? &*parent_ : nullptr);
    const auto run_setup = setup(parents);
    StoringVisitor visitor(run_setup, run, *readers);
    TRY(dataset::walk_targets(targets_.tree, walk_options_, visitor));
    TRY(readers->finish());
    return *run.root;
  }

  Result<void> check_required() {
    const auto missing = required_.missing(problems_);
    if (!missing) return {};
    return fail(ErrorCode::not_found,
                fmt::format("the required path {} is not in the backup", *missing));
  }

  Result<void> publish(repo::Writer& writer, const repo::BlobId& tree) {
    const auto totals = TRY(writer.finish());
    auto& summary = result_.summary;
    fill_summary(summary, counters_);
    summary.data_blobs = totals.data_blobs;
    summary.tree_blobs = totals.tree_blobs;
    summary.data_added = totals.plain_bytes;
    summary.data_added_packed = totals.stored_bytes;
    summary.backup_start = repo::make_node_time(started_, options_.time_offset);
    summary.backup_end = repo::make_node_time(context_.clock.now(), options_.time_offset);
    result_.tree = tree;
    result_.snapshot = TRY(writer.publish_snapshot(describe_snapshot(tree)));
    return {};
  }

  repo::Snapshot describe_snapshot(const repo::BlobId& tree) const {
    repo::Snapshot snapshot;
    snapshot.time = repo::make_node_time(time_, options_.time_offset);
    if (parent_) snapshot.parent = parent_->id;
    snapshot.tree = tree;
    snapshot.paths = targets_.tree.paths;
    snapshot.hostname = options_.author.hostname;
    snapshot.username = options_.author.username;
    snapshot.uid = options_.author.uid;
    snapshot.gid = options_.author.gid;
    snapshot.excludes = options_.exclude.patterns;
    snapshot.tags = options_.tags;
    snapshot.description = options_.note;
    snapshot.program_version = options_.author.program_version;
    snapshot.summary = result_.summary;
    return snapshot;
  }

  repo::Repository& repository_;
  const FilesBackupOptions& options_;
  const Context& context_;
  ProblemLog problems_;
  BackupCounters counters_;
  RequiredPaths required_;
  dataset::WalkOptions walk_options_;
  Targets targets_;
  std::optional<repo::StoredSnapshot> parent_;
  WallTime started_{}, time_{};
  FilesBackupResult result_;
};

}  // namespace

Result<FilesBackupResult> backup_files(repo::Repository& repository,
                                       const FilesBackupOptions& options) {
  auto result = [&]() -> Result<FilesBackupResult> {
    TRY(run_command(options.before, "before"));
    FilesBackup backup(repository, options);
    return backup.run();
  }();
  auto after = run_command(options.after, "after");
  if (after.has_value()) return result;
  repository.context().log.warn(describe(after.error()));
  if (result.has_value()) result->after_error = std::move(after.error());
  return result;
}

}  // namespace holdfast::backup
