#include "recover/restore_plan.hpp"

#include <fmt/format.h>

#include "recover/restored_entry.hpp"

namespace holdfast::recover {

using dataset::FileKind;
using dataset::Leftovers;
using dataset::Replace;
using Choice = RestoreSelection::Choice;

Result<RestoreSelection> RestoreSelection::make(const RestoreFilesOptions& options,
                                                std::string prefix) {
  RestoreSelection selection;
  for (const auto& line : options.include) TRY(selection.include_.add_line(line));
  for (const auto& line : options.exclude) TRY(selection.exclude_.add_line(line));
  if (!prefix.empty()) selection.prefix_ = std::move(prefix) + "/";
  return selection;
}

Choice RestoreSelection::choose(std::string_view path, dataset::EntryShape shape,
                                Choice above) const {
  if (takes_everything()) return Choice::wanted;
  const auto absolute = prefix_ + std::string(path);
  const dataset::PathToMatch to_match{path, absolute, shape};
  if (exclude_.match(to_match) == dataset::Match::yes) return Choice::excluded;
  if (include_.empty()) return Choice::wanted;
  switch (include_.match(to_match)) {
    case dataset::Match::yes:
      return Choice::wanted;
    case dataset::Match::none:
      return above;
    case dataset::Match::negated:
      break;
  }
  return Choice::passed;
}

Result<SnapshotVisitor::Descend> RestoreWalk::enter(const SnapshotPath& at, const repo::Node&) {
  const auto above = opened_.empty() ? Choice::passed : opened_.back().choice;
  const auto choice = selection_.choose(at.path, dataset::EntryShape::directory, above);
  if (choice == Choice::excluded) return Descend::no;
  opened_.push_back({std::string(at.path), choice, false, false});
  if (choice != Choice::wanted) return Descend::yes;
  const bool made = TRY(make_directories());
  if (made) return Descend::yes;
  opened_.pop_back();
  return Descend::no;
}

// All directories down to the current one, which may have waited for something wanted in them.
// False when something else stands in the place of one: that was reported.
Result<bool> RestoreWalk::make_directories() {
  bool parent_is_new = false;
  for (auto& directory : opened_) {
    if (!directory.is_made) {
      const auto place = TRY(target_.place(directory.path));
      const auto made = dataset::make_directory(place);
      if (!made.has_value()) {
        TRY(note(directory.path, fail(made.error())));
        return false;
      }
      directory.is_made = true;
      directory.is_new = parent_is_new || *made == dataset::Made::created;
      if (*made == dataset::Made::created) ++report_.directories;
    }
    parent_is_new = directory.is_new;
  }
  return true;
}

Result<void> RestoreWalk::leave(const SnapshotPath&, const repo::Node& directory) {
  auto opened = std::move(opened_.back());
  opened_.pop_back();
  if (!opened.is_made) return {};
  finished_.push_back({std::move(opened.path), to_entry(directory), opened.is_new});
  if (finished_.size() >= window_files_max) return restore_window();
  return {};
}

Result<void> RestoreWalk::entry(const SnapshotPath& at, const repo::Node& node) {
  const auto above = opened_.empty() ? Choice::passed : opened_.back().choice;
  if (selection_.choose(at.path, dataset::EntryShape::other, above) != Choice::wanted) return {};
  const bool made = TRY(make_directories());
  if (!made) return {};
  const bool in_new_directory = !opened_.empty() && opened_.back().is_new;
  if (node.type != repo::NodeType::file) return make_special(at.path, node, in_new_directory);
  if (!node.has_content)
    return note(at.path, fail(ErrorCode::corrupt, "the file has no list of contents"));
  if (node.links > 1 && node.inode != 0) {
    const Inode inode{node.device_id, node.inode, hash_of_content(node.content)};
    const auto [first, is_first] = first_names_.try_emplace(inode, at.path);
    if (!is_first) {
      links_.push_back({std::string(at.path), inode, node, in_new_directory});
      if (links_.size() >= window_files_max) return restore_window();
      return {};
    }
  }
  return plan_file(std::string(at.path), node, in_new_directory);
}

Result<void> RestoreWalk::plan_file(std::string path, const repo::Node& node,
                                    bool in_new_directory) {
  auto& file = files_.emplace_back();
  file.path = std::move(path);
  file.metadata = to_entry(node);
  file.content = node.content;
  file.content_hash = hash_of_content(node.content);
  file.in_new_directory = in_new_directory;
  planned_blobs_ += node.content.size();
  if (files_.size() < window_files_max && planned_blobs_ < window_blobs_max) return {};
  return restore_window();
}

Result<void> RestoreWalk::make_special(std::string_view path, const repo::Node& node,
                                       bool in_new_directory) {
  auto entry = to_entry(node);
  entry.name = node.name;
  std::vector<std::string> warnings;
  const auto make = [&]() -> Result<void> {
    const auto place = TRY(target_.place(std::string(path)));
    auto replace = Replace::no;
    if (!in_new_directory) {
      const bool free = TRY(is_free(place, entry, path));
      if (!free) return {};
      if (overwrite_ == Overwrite::yes) replace = Replace::yes;
    }
    const auto temporary = TRY(dataset::make_special(place, entry, warnings));
    auto published = dataset::publish_entry(place, temporary, replace);
    if (!published.has_value()) {
      dataset::discard_partial(place, temporary);
      return published;
    }
    ++(entry.kind == FileKind::symlink ? report_.links : report_.others);
    return {};
  };
  const auto made = make();
  report_.warnings(path, warnings);
  // Devices need root, and sockets are never stored by a sane writer: not worth failing for.
  const bool is_minor = !made.has_value() && (made.error().code == ErrorCode::refused ||
                                              made.error().code == ErrorCode::unsupported);
  if (!is_minor) return note(path, made);
  report_.warnings(path, {made.error().message});
  return {};
}

// Whether the entry is still to be made. What equals it is left, and its metadata renewed.
Result<bool> RestoreWalk::is_free(const dataset::TargetPlace& place,
                                  const dataset::FileEntry& wanted, std::string_view path) {
  const auto existing = TRY(dataset::look_at(place));
  if (!existing) return true;
  const bool is_same = existing->kind == wanted.kind &&
                       existing->link_target == wanted.link_target &&
                       existing->device == wanted.device;
  if (is_same) {
    std::vector<std::string> warnings;
    TRY(dataset::apply_metadata_at(place, wanted, warnings));
    report_.warnings(path, warnings);
    return false;
  }
  if (overwrite_ == Overwrite::yes && existing->kind != FileKind::directory) return true;
  report_.conflict(path, "something else stands there");
  return false;
}

// Keeps the failure of one entry, or passes on what must end the restore.
Result<void> RestoreWalk::note(std::string_view path, const Result<void>& done) {
  if (done.has_value()) return {};
  if (ends_restore(done.error())) return done;
  if (done.error().code == ErrorCode::exists)
    report_.conflict(path, done.error().message);
  else
    report_.failure(path, done.error().message);
  return {};
}

Result<void> RestoreWalk::broken(const SnapshotPath& at, const Error& error) {
  return note(at.path.empty() ? "/" : at.path, fail(error));
}

Result<void> RestoreWalk::finish() {
  while (!files_.empty() || !links_.empty() || !finished_.empty()) TRY(restore_window());
  return {};
}

Result<void> RestoreWalk::restore_window() {
  TRY(window_.restore(files_));
  for (const auto& file : files_) {
    if (file.fate != PlannedFile::Fate::failed || file.metadata.links <= 1) continue;
    first_names_.erase({file.metadata.device_id, file.metadata.inode, file.content_hash});
  }
  files_.clear();
  planned_blobs_ = 0;
  TRY(make_links());
  // Files whose first name failed were planned again: their directories are not done yet.
  if (!files_.empty()) return restore_window();
  return finish_directories();
}

Result<void> RestoreWalk::make_links() {
  auto links = std::exchange(links_, {});
  for (auto& link : links) {
    const auto made = make_link(link);
    if (made.has_value() && *made) continue;
    if (!made.has_value()) {
      TRY(note(link.path, fail(made.error())));
      continue;
    }
    const auto [first, is_first] = first_names_.try_emplace(link.inode, link.path);
    if (is_first) {
      auto& file = files_.emplace_back();
      file.path = link.path;
      file.metadata = to_entry(link.node);
      file.content = link.node.content;
      file.content_hash = link.inode.content_hash;
      file.in_new_directory = link.in_new_directory;
    } else {
      links_.push_back(std::move(link));
    }
  }
  return {};
}

// False when the first name could not be restored.
Result<bool> RestoreWalk::make_link(const PlannedLink& link) {
  const auto first = first_names_.find(link.inode);
  if (first == first_names_.end()) return false;
  const auto place = TRY(target_.place(link.path));
  const auto source = TRY(target_.place(first->second));
  const auto source_entry = TRY(dataset::look_at(source));
  if (!source_entry || source_entry->kind != FileKind::file) return false;
  auto replace = Replace::no;
  if (!link.in_new_directory) {
    const auto existing = TRY(dataset::look_at(place));
    if (existing && existing->inode == source_entry->inode &&
        existing->device_id == source_entry->device_id) {
      ++report_.files_kept;
      return true;
    }
    if (existing && overwrite_ == Overwrite::yes && existing->kind != FileKind::directory)
      replace = Replace::yes;
  }
  TRY(dataset::make_hard_link(source, place, replace));
  ++report_.hard_links;
  return true;
}

Result<void> RestoreWalk::finish_directories() {
  for (const auto& directory : finished_) {
    const auto handle = target_.directory(directory.path);
    if (!handle.has_value()) {
      TRY(note(directory.path, fail(handle.error())));
      continue;
    }
    const auto leftovers =
        directory.was_new && !target_.has_default_acl() ? Leftovers::ignore : Leftovers::remove;
    std::vector<std::string> warnings;
    dataset::apply_metadata((*handle)->get(), directory.metadata, leftovers, warnings);
    if (!warnings.empty()) report_.warnings(directory.path, warnings);
  }
  finished_.clear();
  return {};
}

}  // namespace holdfast::recover
