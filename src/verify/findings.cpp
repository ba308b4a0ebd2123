#include "verify/findings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::verify {

std::optional<std::size_t> Findings::add(Finding finding) {
  MutexLock lock(mutex_);
  return add_locked(std::move(finding));
}

std::optional<std::size_t> Findings::add_locked(Finding finding) {
  const Key key{finding.kind, finding.object, finding.offset};
  const auto known = numbers_.find(key);
  if (known != numbers_.end()) return known->second;
  if (findings_.size() >= findings_max) {
    ++not_kept_;
    return std::nullopt;
  }
  const std::size_t number = findings_.size();
  numbers_.emplace(key, number);
  findings_.push_back(std::move(finding));
  paths_.emplace_back();
  return number;
}

void Findings::add_damaged_copy(const repo::BlobHandle& blob, const repo::PackId& pack,
                                Finding finding) {
  MutexLock lock(mutex_);
  const auto number = add_locked(std::move(finding));
  if (!number || copies_.size() >= damaged_copies_max) return;
  const auto [first, last] = copies_.equal_range(blob);
  const bool known =
      std::any_of(first, last, [&](const auto& copy) { return copy.second.pack == pack; });
  if (!known) copies_.emplace(blob, DamagedCopy{pack, *number});
}

void Findings::add_lost_pack(const repo::PackId& pack, Finding finding) {
  MutexLock lock(mutex_);
  const auto number = add_locked(std::move(finding));
  if (number) lost_packs_.emplace(pack, *number);
}

void Findings::blame_missing_on(std::size_t finding) {
  MutexLock lock(mutex_);
  if (!blamed_) blamed_ = finding;
}

void Findings::add_missing(const repo::BlobHandle& blob) {
  MutexLock lock(mutex_);
  if (missing_.contains(blob) || missing_.size() >= damaged_copies_max) return;
  if (blamed_) {
    missing_.emplace(blob, *blamed_);
    return;
  }
  Finding finding;
  finding.kind = FindingKind::missing_blob;
  finding.object =
      fmt::format("{} blob {}", blob.type == repo::BlobType::tree ? "tree" : "data", blob.id.hex());
  finding.message = finding.object + " is needed but in no index file";
  const auto number = add_locked(std::move(finding));
  if (number) missing_.emplace(blob, *number);
}

bool Findings::has_damage() const {
  MutexLock lock(mutex_);
  return !copies_.empty() || !lost_packs_.empty() || !missing_.empty();
}

std::vector<std::size_t> Findings::lost_because(const repo::BlobHandle& blob,
                                                const repo::Index& index) const {
  MutexLock lock(mutex_);
  const auto missing = missing_.find(blob);
  if (missing != missing_.end()) return {missing->second};
  const auto [first, last] = copies_.equal_range(blob);
  if (first == last && lost_packs_.empty()) return {};
  std::vector<std::size_t> causes;
  for (const auto& place : index.find_all(blob)) {
    const repo::PackId pack = index.pack(place.pack).id;
    const auto damaged =
        std::find_if(first, last, [&](const auto& copy) { return copy.second.pack == pack; });
    const auto lost = lost_packs_.find(pack);
    if (damaged != last)
      causes.push_back(damaged->second.finding);
    else if (lost != lost_packs_.end())
      causes.push_back(lost->second);
    else
      return {};  // an intact copy
  }
  return causes;
}

void Findings::affects(std::size_t finding, const repo::SnapshotId& snapshot,
                       const std::string& path) {
  MutexLock lock(mutex_);
  Finding& found = findings_[finding];
  if (std::ranges::find(found.snapshots, snapshot) == found.snapshots.end())
    found.snapshots.push_back(snapshot);
  auto& paths = paths_[finding];
  if (paths.contains(path)) return;
  ++found.path_count;
  if (paths.size() < paths_per_finding_max) paths.insert(path);
}

void Findings::move_to(Report& report) {
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < findings_.size(); ++i) {
    Finding& finding = findings_[i];
    std::set<std::string> collections;
    for (const auto& path : paths_[i]) {
      finding.paths.push_back(path);
      auto collection = collection_of(path);
      if (!collection.empty()) collections.insert(std::move(collection));
    }
    finding.collections.assign(collections.begin(), collections.end());
    report.findings.push_back(std::move(finding));
  }
  report.findings_not_kept = not_kept_;
  std::ranges::sort(report.findings, [](const Finding& a, const Finding& b) {
    return std::tie(a.severity, a.object, a.offset) < std::tie(b.severity, b.object, b.offset);
  });
  findings_.clear();
}

}  // namespace holdfast::verify
