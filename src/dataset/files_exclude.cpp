#include "dataset/files_exclude.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/file.hpp"

namespace holdfast::dataset {
namespace {

// Cache Directory Tagging Specification: the first 43 bytes of the tag.
constexpr std::string_view cache_tag_name = "CACHEDIR.TAG";
constexpr std::string_view cache_tag_header = "Signature: 8a477f597d28d172789f06886806bc55";

bool begins_with(int directory, const std::string& name, std::string_view header) {
  if (header.empty()) return true;
  const Fd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.is_open()) return false;
  Bytes start(header.size());
  const auto got = read_up_to(fd.get(), start);
  return got.has_value() && as_text(ByteView(start).first(*got)) == header;
}

}  // namespace

std::string_view name_of(ExcludeReason reason) {
  switch (reason) {
    case ExcludeReason::none:
      return "none";
    case ExcludeReason::pattern:
      return "pattern";
    case ExcludeReason::marked:
      return "marked directory";
    case ExcludeReason::too_large:
      return "too large";
    case ExcludeReason::other_file_system:
      return "other file system";
  }
  return "none";
}

Result<ExcludeRules> ExcludeRules::make(const ExcludeOptions& options) {
  ExcludeRules rules;
  for (const auto& line : options.patterns) TRY(rules.patterns_.add_line(line));
  for (const auto& file : options.pattern_files) {
    const auto text = TRY(read_file(file, exclude_file_bytes_max));
    TRY(rules.patterns_.add_text(as_text(text)).while_doing("reading " + file.string()));
  }
  for (const auto& marker : options.if_present) {
    const auto colon = marker.find(':');
    auto name = marker.substr(0, colon);
    if (name.empty() || name.find('/') != std::string::npos)
      return fail(ErrorCode::usage,
                  fmt::format("\"{}\" is not the name of a file that may mark a directory", name));
    auto header = colon == std::string::npos ? std::string() : marker.substr(colon + 1);
    rules.markers_.push_back({std::move(name), std::move(header)});
  }
  if (options.caches)
    rules.markers_.push_back({std::string(cache_tag_name), std::string(cache_tag_header)});
  rules.given_patterns_ = options.patterns;
  rules.larger_than_bytes_ = options.larger_than_bytes;
  return rules;
}

ExcludeReason ExcludeRules::judge(const PathToMatch& path, const FileEntry& entry) const {
  if (larger_than_bytes_ != 0 && entry.kind == FileKind::file && entry.size > larger_than_bytes_)
    return ExcludeReason::too_large;
  if (!patterns_.empty() && patterns_.match(path) == Match::yes) return ExcludeReason::pattern;
  return ExcludeReason::none;
}

std::string_view ExcludeRules::marker_in(int directory,
                                         const std::vector<std::string_view>& names) const {
  for (const auto& marker : markers_) {
    const bool present = std::binary_search(names.begin(), names.end(), marker.name);
    if (present && begins_with(directory, marker.name, marker.header)) return marker.name;
  }
  return {};
}

}  // namespace holdfast::dataset
