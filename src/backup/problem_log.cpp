#include "backup/problem_log.hpp"

#include <fmt/format.h>

namespace holdfast::backup {

void ProblemLog::keep(ProblemList& list, std::string_view path, std::string_view message) {
  ++list.count;
  if (list.kept.size() < problems_kept_max)
    list.kept.push_back({std::string(path), std::string(message)});
}

void ProblemLog::unreadable(std::string_view path, const Error& error) {
  MutexLock lock(mutex_);
  keep(unreadable_, path, error.message);
  if (unreadable_paths_.size() < problems_kept_max) unreadable_paths_.emplace(path);
}

void ProblemLog::changed_while_read(std::string_view path) {
  const auto message = fmt::format("changed while it was read, {} times", read_again_max);
  MutexLock lock(mutex_);
  keep(changed_, path, message);
}

void ProblemLog::attribute(std::string_view path, const std::vector<std::string>& warnings) {
  for (const auto& warning : warnings) {
    MutexLock lock(mutex_);
    keep(attributes_, path, warning);
  }
}

bool ProblemLog::is_unreadable(const std::string& path) const {
  MutexLock lock(mutex_);
  return unreadable_paths_.contains(path);
}

void ProblemLog::move_to(FilesBackupResult& result) {
  MutexLock lock(mutex_);
  result.unreadable = std::move(unreadable_);
  result.changed_while_read = std::move(changed_);
  result.attribute_warnings = std::move(attributes_);
}

}  // namespace holdfast::backup
