#pragma once
// Which entries of a snapshot a restore is about, and the walk that makes them.
#include <unordered_map>

#include "recover/restore_window.hpp"
#include "recover/snapshot_walk.hpp"

namespace holdfast::recover {

// Include and exclude lines. Immutable once made.
class RestoreSelection {
 public:
  // `prefix` is the path in the snapshot that the restore starts below: a line that begins with a
  // slash is about whole paths in the snapshot, any other about paths below the prefix.
  static Result<RestoreSelection> make(const RestoreFilesOptions& options, std::string prefix);

  enum class Choice : std::uint8_t {
    excluded,  // with everything below
    passed,    // not itself, but something below it may be wanted
    wanted,
  };
  // `above` is the choice of the directory it is in.
  Choice choose(std::string_view path, dataset::EntryShape shape, Choice above) const;
  bool takes_everything() const { return include_.empty() && exclude_.empty(); }

 private:
  dataset::PatternSet include_;
  dataset::PatternSet exclude_;
  std::string prefix_;
};

// Makes directories at once, small things at once, files window by window, and gives directories
// their metadata after the window that completes them. One thread.
class RestoreWalk final : public SnapshotVisitor {
 public:
  // What a walk works with; must outlive it.
  struct Parts {
    dataset::RestoreDirectory& target;
    const RestoreSelection& selection;
    WindowRestore& window;
    RestoreReport& report;
    Overwrite overwrite = Overwrite::never;
  };
  explicit RestoreWalk(const Parts& parts)
      : target_(parts.target),
        selection_(parts.selection),
        window_(parts.window),
        report_(parts.report),
        overwrite_(parts.overwrite) {}

  Result<Descend> enter(const SnapshotPath& at, const repo::Node& directory) override;
  Result<void> leave(const SnapshotPath& at, const repo::Node& directory) override;
  Result<void> entry(const SnapshotPath& at, const repo::Node& node) override;
  Result<void> broken(const SnapshotPath& at, const Error& error) override;

  // Restores what is still planned.
  Result<void> finish();

 private:
  struct OpenedDirectory {
    std::string path;
    RestoreSelection::Choice choice = RestoreSelection::Choice::wanted;
    bool is_made = false;
    bool is_new = false;  // nothing can stand in it yet
  };
  struct FinishedDirectory {
    std::string path;
    dataset::FileEntry metadata;
    bool was_new = false;
  };
  // Names of one file. A tree may claim anything, so contents must agree as well.
  struct Inode {
    std::uint64_t device_id = 0, inode = 0, content_hash = 0;
    friend bool operator==(const Inode&, const Inode&) = default;
  };
  struct InodeHash {
    std::size_t operator()(const Inode& inode) const {
      return inode.device_id ^ (inode.inode * 0x9e3779b97f4a7c15U) ^ inode.content_hash;
    }
  };
  struct PlannedLink {
    std::string path;
    Inode inode;
    repo::Node node;
    bool in_new_directory = false;
  };

  Result<bool> make_directories();
  Result<void> plan_file(std::string path, const repo::Node& node, bool in_new_directory);
  Result<void> make_special(std::string_view path, const repo::Node& node, bool in_new_directory);
  Result<bool> is_free(const dataset::TargetPlace& place, const dataset::FileEntry& wanted,
                       std::string_view path);
  Result<void> note(std::string_view path, const Result<void>& done);
  Result<void> restore_window();
  Result<void> make_links();
  Result<bool> make_link(const PlannedLink& link);
  Result<void> finish_directories();

  dataset::RestoreDirectory& target_;
  const RestoreSelection& selection_;
  WindowRestore& window_;
  RestoreReport& report_;
  const Overwrite overwrite_;

  std::vector<OpenedDirectory> opened_;
  std::deque<PlannedFile> files_;
  std::size_t planned_blobs_ = 0;
  std::vector<PlannedLink> links_;
  std::vector<FinishedDirectory> finished_;
  // The first name of each file with several, once it is restored. Grows with their number.
  std::unordered_map<Inode, std::string, InodeHash> first_names_;
};

}  // namespace holdfast::recover
