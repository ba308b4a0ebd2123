#include "backup/backup_run.hpp"

#include <fmt/format.h>

namespace holdfast::backup {
namespace {

constexpr std::uint64_t progress_every_files = 256;

void note_excluded(const RunSetup& setup, std::string_view path, dataset::ExcludeReason reason) {
  if (reason != dataset::ExcludeReason::other_file_system) {
    ++setup.result.excluded;
    return;
  }
  auto& crossed = setup.result.other_file_systems;
  if (crossed.size() < problems_kept_max) crossed.emplace_back(path);
  setup.context.log.note(fmt::format("{}: another file system, not entered", path));
}

}  // namespace

Result<RequiredPaths> RequiredPaths::make(const std::vector<std::string>& patterns) {
  RequiredPaths required;
  const auto expanded = TRY(dataset::expand_globs(patterns));
  for (const auto& path : expanded.paths) {
    auto absolute = TRY(dataset::absolute_path(path));
    required.seen_.emplace(std::move(absolute), false);
  }
  required.unmatched_ = expanded.unmatched;
  return required;
}

void RequiredPaths::saw(std::string_view path) {
  if (seen_.empty()) return;
  const auto at = seen_.find(std::string(path));
  if (at != seen_.end()) at->second = true;
}

std::optional<std::string> RequiredPaths::missing(const ProblemLog& problems) const {
  if (!unmatched_.empty()) return unmatched_.front();
  for (const auto& [path, was_seen] : seen_)
    if (!was_seen || problems.is_unreadable(path)) return path;
  return std::nullopt;
}

Result<void> StoringVisitor::enter(const dataset::FoundEntry& directory) {
  TRY(setup_.context.check_stop());
  if (trees_.empty()) {
    setup_.parents.enter(nullptr);
    trees_.push_back(std::make_shared<TreeInProgress>(run_));
    return {};
  }
  setup_.required.saw(directory.path);
  const auto* previous = setup_.parents.find(directory.entry.name);
  if (previous != nullptr && previous->type != repo::NodeType::dir) previous = nullptr;
  PreviousTree before;
  if (previous != nullptr) before = {true, previous->subtree};
  auto node = node_with_details(directory, previous);
  trees_.push_back(std::make_shared<TreeInProgress>(run_, trees_.back(), std::move(node), before));
  setup_.parents.enter(previous);
  return {};
}

Result<void> StoringVisitor::leave() {
  const auto tree = std::move(trees_.back());
  trees_.pop_back();
  setup_.parents.leave();
  return tree->close();
}

Result<void> StoringVisitor::found(const dataset::FoundEntry& entry) {
  TRY(setup_.context.check_stop());
  setup_.required.saw(entry.path);
  auto* previous = setup_.parents.find(entry.entry.name);
  if (entry.entry.kind == dataset::FileKind::file) return found_file(entry, previous);
  const auto node = node_with_details(entry, previous);
  if (node.type == repo::NodeType::symlink && node.link_target.empty()) return {};
  ++run_.counters.files_done;
  return trees_.back()->add(node);
}

Result<void> StoringVisitor::found_file(const dataset::FoundEntry& entry, repo::Node* previous) {
  auto change = Change::changed;
  if (previous != nullptr)
    change =
        content_change(*previous, entry.entry, setup_.options.change_detection, setup_.uncertain);
  if (change == Change::none) {
    const bool taken = TRY(take_unchanged(entry, *previous));
    if (taken) return {};
  }
  FileJob job;
  if (change != Change::changed) job.previous_content = previous->content;
  job.parent = entry.parent;
  job.open_name = entry.open_name;
  job.facts = entry.entry;
  job.tree = trees_.back();
  job.slot = job.tree->reserve();
  job.is_new = previous == nullptr || previous->type != repo::NodeType::file;
  return readers_.add(std::move(job));
}

// The parent's node with the facts of now; no call and no allocation for a file that stayed as it
// was. False when the repository has lost a part of the content: then the file is read again.
Result<bool> StoringVisitor::take_unchanged(const dataset::FoundEntry& entry,
                                            repo::Node& previous) {
  for (const auto& id : previous.content) {
    const bool has = TRY(run_.writer.reuse({repo::BlobType::data, id}));
    if (!has) return false;
  }
  if (!same_details(previous, entry.entry)) {
    auto details = node_with_details(entry, nullptr);
    previous.extended_attributes = std::move(details.extended_attributes);
  }
  set_facts(previous, entry.entry, owners_, setup_.options.time_offset);
  auto& counters = run_.counters;
  ++counters.files_unmodified;
  counters.bytes_done += previous.size;
  if (++counters.files_done % progress_every_files == 0)
    setup_.context.log.progress({"backup", counters.files_done, 0, counters.bytes_done, 0});
  TRY(trees_.back()->add(previous));
  return true;
}

repo::Node StoringVisitor::node_with_details(const dataset::FoundEntry& entry,
                                             const repo::Node* previous) {
  auto node = to_node(entry.entry, owners_, setup_.options.time_offset);
  if (previous != nullptr && same_details(*previous, entry.entry)) {
    node.link_target = previous->link_target;
    node.extended_attributes = previous->extended_attributes;
    return node;
  }
  dataset::FileEntry details;
  details.kind = entry.entry.kind;
  std::vector<std::string> warnings;
  const auto read = dataset::read_details(entry.parent->fd, entry.open_name, details, warnings);
  if (!read.has_value() && read.error().code != ErrorCode::not_found)
    setup_.problems.unreadable(entry.path, read.error());
  if (!warnings.empty()) setup_.problems.attribute(entry.path, warnings);
  take_details(node, std::move(details));
  return node;
}

void StoringVisitor::unreadable(std::string_view path, const Error& error) {
  setup_.problems.unreadable(path, error);
}

void StoringVisitor::excluded(std::string_view path, dataset::ExcludeReason reason) {
  note_excluded(setup_, path, reason);
}

Result<void> CountingVisitor::enter(const dataset::FoundEntry& directory) {
  TRY(setup_.context.check_stop());
  if (!std::exchange(in_root_, true)) {
    setup_.parents.enter(nullptr);
    return {};
  }
  setup_.required.saw(directory.path);
  const auto* previous = setup_.parents.find(directory.entry.name);
  if (previous != nullptr && previous->type != repo::NodeType::dir) previous = nullptr;
  if (previous == nullptr) ++counters_.dirs_new;
  setup_.parents.enter(previous);
  return {};
}

Result<void> CountingVisitor::leave() {
  setup_.parents.leave();
  return {};
}

Result<void> CountingVisitor::found(const dataset::FoundEntry& entry) {
  TRY(setup_.context.check_stop());
  setup_.required.saw(entry.path);
  const auto* previous = setup_.parents.find(entry.entry.name);
  ++counters_.files_done;
  if (entry.entry.kind != dataset::FileKind::file) return {};
  counters_.bytes_done += entry.entry.size;
  const bool is_new = previous == nullptr || previous->type != repo::NodeType::file;
  if (!is_new && content_change(*previous, entry.entry, setup_.options.change_detection,
                                setup_.uncertain) == Change::none) {
    ++counters_.files_unmodified;
    return {};
  }
  setup_.result.bytes_to_read += entry.entry.size;
  ++(is_new ? counters_.files_new : counters_.files_changed);
  return {};
}

void CountingVisitor::unreadable(std::string_view path, const Error& error) {
  setup_.problems.unreadable(path, error);
}

void CountingVisitor::excluded(std::string_view path, dataset::ExcludeReason reason) {
  note_excluded(setup_, path, reason);
}

}  // namespace holdfast::backup
