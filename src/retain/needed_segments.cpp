#include "retain/needed_segments.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

namespace holdfast::retain {
namespace {

using Moment = std::pair<std::uint32_t, std::uint32_t>;  // seconds, ordinal

std::optional<std::string_view> tag_value(const repo::Snapshot& snapshot, std::string_view key) {
  for (const std::string_view tag : snapshot.tags) {
    if (tag.size() > key.size() && tag.starts_with(key) && tag[key.size()] == '=')
      return tag.substr(key.size() + 1);
  }
  return std::nullopt;
}

bool is_kind(const repo::Snapshot& snapshot, std::string_view kind) {
  return tag_value(snapshot, "kind") == kind && tag_value(snapshot, "dataset").has_value();
}

std::optional<Moment> moment_of(const repo::Snapshot& snapshot, std::string_view key) {
  const auto text = tag_value(snapshot, key);
  const std::size_t dot = text ? text->find('.') : std::string_view::npos;
  if (dot == std::string_view::npos) return std::nullopt;
  Moment moment;
  const auto read = [&](std::string_view digits, std::uint32_t& out) {
    const char* end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, out);
    return parsed.ec == std::errc() && parsed.ptr == end;
  };
  if (!read(text->substr(0, dot), moment.first) || !read(text->substr(dot + 1), moment.second))
    return std::nullopt;
  return moment;
}

// From where on entries are needed, by dataset. Bases without a time need none.
std::map<std::string, Moment, std::less<>> needs_of(const std::vector<Decision>& decisions) {
  std::map<std::string, Moment, std::less<>> needs;
  for (const Decision& decision : decisions) {
    const repo::Snapshot& snapshot = decision.snapshot.snapshot;
    if (decision.fate != Fate::keep || !is_kind(snapshot, "mongodb")) continue;
    auto from = moment_of(snapshot, "from");
    if (!from) continue;
    from->first -= std::min(from->first, open_transaction_seconds_max);
    const auto [need, is_first] =
        needs.try_emplace(std::string(*tag_value(snapshot, "dataset")), *from);
    if (!is_first) need->second = std::min(need->second, *from);
  }
  return needs;
}

}  // namespace

void keep_needed_segments(std::vector<Decision>& decisions) {
  const auto needs = needs_of(decisions);
  for (Decision& decision : decisions) {
    const repo::Snapshot& snapshot = decision.snapshot.snapshot;
    if (decision.fate == Fate::keep || !is_kind(snapshot, "segments")) continue;
    const auto need = needs.find(*tag_value(snapshot, "dataset"));
    if (need == needs.end()) continue;
    const auto to = moment_of(snapshot, "to");
    if (to && *to < need->second) continue;
    decision.fate = Fate::keep;
    decision.reasons.emplace_back("needed by a base");
  }
}

bool is_companion_group(const SnapshotGroup& group) {
  return std::all_of(group.snapshots.begin(), group.snapshots.end(),
                     [](const auto& stored) { return repo::is_companion(stored.snapshot); });
}

}  // namespace holdfast::retain
