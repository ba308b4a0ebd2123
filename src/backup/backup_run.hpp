#pragma once
// The walk of one backup: compares each entry with the parent snapshot, takes what is unchanged
// from there, and hands the rest to the readers.
#include <unordered_map>

#include "backup/content_readers.hpp"
#include "backup/parent_tree.hpp"

namespace holdfast::backup {

// Which of the paths that must be there were seen. One thread.
class RequiredPaths {
 public:
  // Globs are expanded; one that matches nothing is missing.
  static Result<RequiredPaths> make(const std::vector<std::string>& patterns);
  void saw(std::string_view path);
  // The first that is not in the snapshot.
  std::optional<std::string> missing(const ProblemLog& problems) const;

 private:
  std::unordered_map<std::string, bool> seen_;  // absolute path
  std::vector<std::string> unmatched_;
};

// Holds references; lives as long as the walk.
struct RunSetup {
  const FilesBackupOptions& options;
  const Context& context;
  ParentTree& parents;
  UncertainTimes uncertain;
  ProblemLog& problems;
  RequiredPaths& required;
  FilesBackupResult& result;  // excluded, other_file_systems, bytes_to_read
};

// Stores. The walking thread.
class StoringVisitor final : public dataset::WalkVisitor {
 public:
  StoringVisitor(const RunSetup& setup, TreeInProgress::Run& run, ContentReaders& readers)
      : setup_(setup), run_(run), readers_(readers) {}

  Result<void> enter(const dataset::FoundEntry& directory) override;
  Result<void> leave() override;
  Result<void> found(const dataset::FoundEntry& entry) override;
  void unreadable(std::string_view path, const Error& error) override;
  void excluded(std::string_view path, dataset::ExcludeReason reason) override;

 private:
  Result<void> found_file(const dataset::FoundEntry& entry, repo::Node* previous);
  Result<bool> take_unchanged(const dataset::FoundEntry& entry, repo::Node& previous);
  repo::Node node_with_details(const dataset::FoundEntry& entry, const repo::Node* previous);

  const RunSetup& setup_;
  TreeInProgress::Run& run_;
  ContentReaders& readers_;
  dataset::OwnerNames owners_;
  std::vector<TreeInProgress::Handle> trees_;  // from the root down to where the walk is
};

// Counts only: what a backup would do.
class CountingVisitor final : public dataset::WalkVisitor {
 public:
  CountingVisitor(const RunSetup& setup, BackupCounters& counters)
      : setup_(setup), counters_(counters) {}

  Result<void> enter(const dataset::FoundEntry& directory) override;
  Result<void> leave() override;
  Result<void> found(const dataset::FoundEntry& entry) override;
  void unreadable(std::string_view path, const Error& error) override;
  void excluded(std::string_view path, dataset::ExcludeReason reason) override;

 private:
  const RunSetup& setup_;
  BackupCounters& counters_;
  bool in_root_ = false;
};

}  // namespace holdfast::backup
