#include "retain/used_blobs.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::retain {
namespace {

class MarkUsed final : public repo::TreeVisitor {
 public:
  MarkUsed(const repo::Index& index, repo::PositionSet& used) : index_(index), used_(used) {}

  Result<void> node(const repo::BlobId& tree, const repo::Node& node, std::string_view) override {
    for (const auto& id : node.content) {
      const auto copies = index_.positions_of({repo::BlobType::data, id});
      if (copies.count == 0)
        return fail(ErrorCode::corrupt,
                    fmt::format("data blob {}, which \"{}\" in tree {} needs, is in no index: "
                                "nothing is deleted",
                                id.short_hex(), node.name, tree.short_hex()));
      used_.insert(copies.first);
    }
    return {};
  }
  Result<void> unreadable(const repo::BlobId&, const Error& error) override {
    return fail(ErrorCode::corrupt, describe(error) + ": nothing is deleted");
  }

 private:
  const repo::Index& index_;
  repo::PositionSet& used_;
};

// Calls `visit(first, count)` for the copies of every blob of the loaded index.
template <class Visit>
void for_each_blob(const repo::Index& index, const Visit& visit) {
  std::uint64_t first = 0;
  while (first < index.loaded_count()) {
    const auto handle = index.at(first).handle;
    std::uint64_t end = first + 1;
    while (end < index.loaded_count() && index.at(end).handle == handle) ++end;
    visit(first, end - first);
    first = end;
  }
}

class Tally {
 public:
  Tally(const repo::Index& index, const repo::PositionSet& used)
      : index_(index),
        used_(used),
        result_{std::vector<PackTally>(index.loaded_pack_count()),
                repo::PositionSet(index.loaded_count())} {
    is_live_.reserve(index.loaded_pack_count());
    for (std::uint32_t number = 0; number < index.loaded_pack_count(); ++number) {
      is_live_.push_back(index.pack(number).state == repo::PackState::live);
      result_.packs[number].header_bytes =
          repo::seal_overhead_bytes + repo::pack_length_field_bytes;
    }
  }

  Tallies run() {
    for_each_blob(index_, [this](std::uint64_t first, std::uint64_t count) {
      if (!used_.contains(first)) return;
      if (live_copies(first, count) == 1 || count == 1) keep(choose(first, count));
    });
    for_each_blob(index_, [this](std::uint64_t first, std::uint64_t count) {
      if (used_.contains(first) && live_copies(first, count) != 1 && count != 1)
        keep(choose(first, count));
    });
    for (std::uint64_t position = 0; position < index_.loaded_count(); ++position) add(position);
    return std::move(result_);
  }

 private:
  std::uint64_t live_copies(std::uint64_t first, std::uint64_t count) const {
    std::uint64_t live = 0;
    for (std::uint64_t position = first; position < first + count; ++position)
      if (is_live_[index_.at(position).pack]) ++live;
    return live;
  }

  std::uint64_t choose(std::uint64_t first, std::uint64_t count) const {
    std::uint64_t best = first;
    for (std::uint64_t position = first + 1; position < first + count; ++position) {
      const auto pack = index_.at(position).pack;
      const auto best_pack = index_.at(best).pack;
      if (is_live_[pack] != is_live_[best_pack]) {
        if (is_live_[pack]) best = position;
      } else if (result_.packs[pack].used_blobs > result_.packs[best_pack].used_blobs) {
        best = position;
      }
    }
    return best;
  }

  void keep(std::uint64_t position) {
    result_.kept.insert(position);
    ++result_.packs[index_.at(position).pack].used_blobs;
  }

  void add(std::uint64_t position) {
    const auto blob = index_.at(position);
    PackTally& pack = result_.packs[blob.pack];
    if (result_.kept.contains(position)) {
      pack.used_bytes += blob.length;
    } else {
      ++pack.unused_blobs;
      pack.unused_bytes += blob.length;
    }
    pack.header_bytes +=
        blob.plain_length != 0 ? repo::pack_entry_bytes_max : repo::pack_entry_bytes_min;
    (blob.handle.type == repo::BlobType::tree ? pack.has_trees : pack.has_data) = true;
  }

  const repo::Index& index_;
  const repo::PositionSet& used_;
  std::vector<bool> is_live_;
  Tallies result_;
};

}  // namespace

Result<repo::PositionSet> find_used_blobs(const repo::Repository& repository,
                                          std::span<const repo::StoredSnapshot> snapshots) {
  std::vector<repo::BlobId> roots;
  for (const auto& stored : snapshots) roots.push_back(stored.snapshot.tree);
  repo::PositionSet used(repository.index().loaded_count());
  MarkUsed visitor(repository.index(), used);
  TRY(repo::walk_trees(repository, roots, used, visitor));
  return used;
}

Tallies tally_packs(const repo::Index& index, const repo::PositionSet& used) {
  return Tally(index, used).run();
}

}  // namespace holdfast::retain
