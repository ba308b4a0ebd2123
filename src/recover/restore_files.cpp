#include "recover/restore_files.hpp"

#include <sys/stat.h>

#include "recover/restore_plan.hpp"
#include "recover/restored_entry.hpp"

namespace holdfast::recover {
namespace {

// What a restore would do, without touching the target.
class RestorePreview final : public SnapshotVisitor {
 public:
  RestorePreview(const RestoreSelection& selection, dataset::RestoreDirectory* target,
                 RestoreReport& report, Overwrite overwrite)
      : selection_(selection), target_(target), report_(report), overwrite_(overwrite) {}

  Result<Descend> enter(const SnapshotPath& at, const repo::Node&) override {
    const auto choice = selection_.choose(at.path, dataset::EntryShape::directory, above());
    if (choice == RestoreSelection::Choice::excluded) return Descend::no;
    choices_.push_back(choice);
    if (choice != RestoreSelection::Choice::wanted) return Descend::yes;
    const auto existing = look_at(at.path);
    if (!existing)
      ++report_.directories;
    else if (existing->kind != dataset::FileKind::directory)
      report_.conflict(at.path, "something else stands there");
    return Descend::yes;
  }

  Result<void> leave(const SnapshotPath&, const repo::Node&) override {
    choices_.pop_back();
    return {};
  }

  Result<void> entry(const SnapshotPath& at, const repo::Node& node) override {
    if (selection_.choose(at.path, dataset::EntryShape::other, above()) !=
        RestoreSelection::Choice::wanted)
      return {};
    const auto wanted = to_entry(node);
    const auto existing = look_at(at.path);
    const bool seems_equal =
        existing && existing->kind == wanted.kind && existing->link_target == wanted.link_target &&
        (wanted.kind != dataset::FileKind::file || existing->size == wanted.size);
    if (seems_equal) {
      ++report_.files_kept;
      report_.bytes_kept += wanted.size;
      return {};
    }
    const bool may_replace =
        overwrite_ == Overwrite::yes && existing && existing->kind != dataset::FileKind::directory;
    if (existing && !may_replace) {
      report_.conflict(at.path, "something else stands there");
      return {};
    }
    count(node);
    return {};
  }

  Result<void> broken(const SnapshotPath& at, const Error& error) override {
    report_.failure(at.path, error.message);
    return {};
  }

 private:
  RestoreSelection::Choice above() const {
    return choices_.empty() ? RestoreSelection::Choice::passed : choices_.back();
  }

  std::optional<dataset::FileEntry> look_at(std::string_view path) {
    if (target_ == nullptr) return std::nullopt;
    const auto place = target_->place(std::string(path));
    if (!place.has_value()) return std::nullopt;
    auto existing = dataset::look_at(*place);
    return existing.has_value() ? std::move(*existing) : std::nullopt;
  }

  void count(const repo::Node& node) {
    if (node.type == repo::NodeType::symlink) {
      ++report_.links;
    } else if (node.type != repo::NodeType::file) {
      ++report_.others;
    } else {
      ++report_.files;
      report_.bytes += node.size;
      report_.blobs_fetched += node.content.size();
    }
  }

  const RestoreSelection& selection_;
  dataset::RestoreDirectory* target_;
  RestoreReport& report_;
  const Overwrite overwrite_;
  std::vector<RestoreSelection::Choice> choices_;
};

// What is restored: a directory's entries, or one entry by its name.
struct Source {
  repo::StoredSnapshot stored;
  SnapshotPlace place;
  repo::Node node;
};

Result<Source> find_source(repo::Repository& repository, const RestoreFilesOptions& options) {
  Source source;
  source.place = parse_snapshot_place(options.snapshot);
  source.stored = TRY(repository.find_snapshot(source.place.snapshot));
  TRY(repository.load_index());
  source.node = TRY(find_node(repository, source.stored.snapshot.tree, source.place.path));
  return source;
}

Result<void> visit_source(const repo::Repository& repository, const Source& source,
                          SnapshotVisitor& visitor) {
  if (source.node.type == repo::NodeType::dir && source.node.subtree)
    return walk_snapshot_tree(repository, *source.node.subtree, visitor);
  return visitor.entry({source.node.name, 1}, source.node);
}

Result<void> preview(const repo::Repository& repository, const Source& source,
                     const RestoreFilesOptions& options, const RestoreSelection& selection,
                     RestoreReport& report) {
  std::unique_ptr<dataset::RestoreDirectory> target;
  struct stat status{};
  if (::stat(options.to.c_str(), &status) == 0)
    target = TRY(dataset::RestoreDirectory::open(options.to));
  RestorePreview visitor(selection, target.get(), report, options.overwrite);
  return visit_source(repository, source, visitor);
}

Result<void> execute(const repo::Repository& repository, const Source& source,
                     const RestoreFilesOptions& options, const RestoreSelection& selection,
                     RestoreReport& report) {
  const auto target = TRY(dataset::RestoreDirectory::open(options.to));
  WindowRestore window(repository, *target, options, report);
  const auto& summary = source.stored.snapshot.summary;
  if (summary && source.place.path.empty() && selection.takes_everything())
    window.expect(summary->total_files_processed, summary->total_bytes_processed);
  RestoreWalk walk({*target, selection, window, report, options.overwrite});
  TRY(visit_source(repository, source, walk));
  return walk.finish();
}

}  // namespace

Result<RestoreFilesResult> restore_files(repo::Repository& repository,
                                         const RestoreFilesOptions& options) {
  if (options.to.empty()) return fail(ErrorCode::usage, "no directory to restore to was given");
  const auto source = TRY(find_source(repository, options));
  const bool is_directory = source.node.type == repo::NodeType::dir;
  const auto selection =
      TRY(RestoreSelection::make(options, is_directory ? source.place.path : std::string()));
  RestoreReport report;
  if (options.dry_run == DryRun::yes)
    TRY(preview(repository, source, options, selection, report));
  else
    TRY(execute(repository, source, options, selection, report));
  return report.result(source.stored.id);
}

}  // namespace holdfast::recover
