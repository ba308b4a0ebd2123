#pragma once
// What a backup of files leaves out, and why: patterns, marked directories, caches, large files.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/files_entry.hpp"
#include "dataset/patterns.hpp"

namespace holdfast::dataset {

constexpr std::uint64_t exclude_file_bytes_max = 16 << 20;

struct ExcludeOptions {
  std::vector<std::string> patterns;                 // lines of gitignore(5)
  std::vector<std::filesystem::path> pattern_files;  // files of such lines
  std::vector<std::string> if_present;               // "NAME" or "NAME:first bytes of it"
  bool caches = false;                               // directories with a CACHEDIR.TAG
  std::uint64_t larger_than_bytes = 0;               // 0: no limit
};

enum class ExcludeReason : std::uint8_t { none, pattern, marked, too_large, other_file_system };
std::string_view name_of(ExcludeReason reason);

// Immutable once made; thread-safe.
class ExcludeRules {
 public:
  ExcludeRules() = default;
  static Result<ExcludeRules> make(const ExcludeOptions& options);

  ExcludeReason judge(const PathToMatch& path, const FileEntry& entry) const;

  // The name of the file that marks this directory as unwanted; only that file is kept, so that a
  // restored directory is still marked. Empty when there is none. `names` is sorted.
  std::string_view marker_in(int directory, const std::vector<std::string_view>& names) const;

  const std::vector<std::string>& given_patterns() const { return given_patterns_; }

 private:
  struct Marker {
    std::string name;
    std::string header;
  };

  PatternSet patterns_;
  std::vector<std::string> given_patterns_;
  std::vector<Marker> markers_;
  std::uint64_t larger_than_bytes_ = 0;
};

}  // namespace holdfast::dataset
