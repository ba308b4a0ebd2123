#pragma once
// What went wrong with single entries while the rest is saved: kept for the result up to a limit,
// counted beyond it.
#include <unordered_set>

#include "backup/backup_files.hpp"
#include "base/mutex.hpp"

namespace holdfast::backup {

// Thread-safe.
class ProblemLog {
 public:
  void unreadable(std::string_view path, const Error& error);
  void changed_while_read(std::string_view path);
  void attribute(std::string_view path, const std::vector<std::string>& warnings);

  bool is_unreadable(const std::string& path) const;  // among those that were kept
  void move_to(FilesBackupResult& result);

 private:
  static void keep(ProblemList& list, std::string_view path, std::string_view message);

  mutable Mutex mutex_;
  ProblemList unreadable_ GUARDED_BY(mutex_);
  ProblemList changed_ GUARDED_BY(mutex_);
  ProblemList attributes_ GUARDED_BY(mutex_);
  std::unordered_set<std::string> unreadable_paths_ GUARDED_BY(mutex_);
};

}  // namespace holdfast::backup
