#include "verify/report.hpp"

#include <algorithm>

namespace holdfast::verify {

std::string_view name_of(FindingKind kind) {
  constexpr std::array<std::string_view, 14> names{
      "damaged_config", "damaged_key",  "damaged_lock",   "damaged_snapshot", "damaged_index",
      "wrong_index",    "missing_pack", "damaged_header", "damaged_blob",     "misnamed_pack",
      "missing_blob",   "marked_blob",  "bad_tree",       "unindexed_pack"};
  return names[static_cast<std::size_t>(kind)];
}

bool Report::is_clean() const {
  return findings_not_kept == 0 && std::ranges::none_of(findings, [](const Finding& finding) {
           return finding.severity == Severity::error;
         });
}

std::string collection_of(std::string_view path) {
  for (const std::string_view ending : {".bson", ".metadata.json"}) {
    if (!path.ends_with(ending)) continue;
    path.remove_suffix(ending.size());
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return {};
    const auto name = path.substr(slash + 1);
    const auto above = path.substr(0, slash);
    const auto database = above.substr(above.rfind('/') + 1);
    if (name.empty() || database.empty()) return {};
    return std::string(database) + "." + std::string(name);
  }
  return {};
}

}  // namespace holdfast::verify
