#include "repo/index_cache.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "repo/index_builder.hpp"

namespace holdfast::repo {
namespace {

std::vector<IndexId> without(const std::vector<IndexId>& ids, std::span<const IndexId> known) {
  std::vector<IndexId> rest;
  std::set_difference(ids.begin(), ids.end(), known.begin(), known.end(), std::back_inserter(rest));
  return rest;
}

bool is_damage(const Error& error) {
  return error.code == ErrorCode::corrupt || error.code == ErrorCode::malformed ||
         error.code == ErrorCode::limit_exceeded;
}

Result<void> add_file(IndexBuilder& builder, const IndexId& id, const LoadIndexFile& load) {
  const auto doing = fmt::format("reading index file {}", id.short_hex());
  const auto json = TRY(load(id).while_doing(doing));
  return decode_index(json, [&](const IndexedPack& pack) { return builder.add(pack); })
      .while_doing(doing);
}

}  // namespace

IndexCache::IndexCache(std::optional<std::filesystem::path> directory,
                       const RepositoryId& repository)
    : directory_(std::move(directory)), repository_(repository) {
  std::error_code ignored;
  scratch_ = std::filesystem::temp_directory_path(ignored);
  if (ignored) scratch_ = "/tmp";
  if (!directory_) return;
  *directory_ /= repository.hex();
  std::filesystem::create_directories(*directory_, ignored);
  if (ignored)
    directory_.reset();  // a cache that can not be made is no reason not to work
  else
    scratch_ = *directory_;
}

std::optional<LoadedIndex> IndexCache::read() const {
  if (!directory_) return std::nullopt;
  auto file = open_for_reading(cache_file());
  if (!file.has_value()) return std::nullopt;
  auto loaded = map_index_image(std::move(*file), repository_);
  if (!loaded.has_value()) return std::nullopt;
  return std::move(*loaded);
}

// The file has no name until it is complete; then it replaces the old cache in one step.
Result<void> IndexCache::keep(const Fd& file) const {
  if (::fdatasync(file.get()) != 0) return fail_errno("sync the index cache", errno);
  const auto source = fmt::format("/proc/self/fd/{}", file.get());
  const auto fresh = (*directory_ / fmt::format("index.{}", ::getpid())).string();
  ::unlink(fresh.c_str());
  if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, fresh.c_str(), AT_SYMLINK_FOLLOW) != 0)
    return fail_errno("name the index cache", errno);
  if (::rename(fresh.c_str(), cache_file().c_str()) != 0)
    return fail_errno("replace the index cache", errno);
  return {};
}

Result<IndexCache::Loaded> IndexCache::load(Log& log, const std::vector<IndexId>& present,
                                            const LoadIndexFile& load_file,
                                            DamagedIndexFiles on_damage) {
  auto cached = read();
  if (cached && std::ranges::equal(cached->index_files, present))
    return Loaded{std::move(*cached), {}};
  const bool extends = cached && std::ranges::includes(present, cached->index_files);
  IndexBuilder builder(scratch_, extends ? &*cached : nullptr);
  const auto to_read = extends ? without(present, cached->index_files) : present;

  Loaded loaded;
  for (const auto& id : to_read) {
    auto added = add_file(builder, id, load_file);
    if (added.has_value()) continue;
    if (on_damage == DamagedIndexFiles::fail || !is_damage(added.error()))
      return fail(std::move(added.error()));
    log.warn(describe(added.error()));
    loaded.skipped.push_back(id);
  }

  auto file = TRY(make_unnamed_file(scratch_));
  TRY(builder.finish(file, repository_, without(present, loaded.skipped)));
  if (directory_ && loaded.skipped.empty()) {
    auto kept = keep(file);
    if (!kept.has_value()) log.note("the index is not cached: " + describe(kept.error()));
  }
  loaded.index = TRY(map_index_image(std::move(file), repository_));
  return loaded;
}

}  // namespace holdfast::repo
