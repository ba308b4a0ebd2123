#include "retain/repair_index.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "repo/index_recorder.hpp"
#include "repo/layout.hpp"
#include "repo/tree_walk.hpp"
#include "retain/index_edit.hpp"

namespace holdfast::retain {
namespace {

std::uint64_t file_bytes_of(const repo::IndexedPack& pack) {
  std::uint64_t bytes = repo::seal_overhead_bytes + repo::pack_length_field_bytes;
  for (const auto& blob : pack.blobs) bytes += blob.length + repo::pack_entry_bytes(blob);
  return bytes;
}

class Repair {
 public:
  Repair(const repo::Repository& repository, const repo::Lock& lock, ReadHeaders read_headers)
      : repository_(repository), lock_(lock), read_headers_(read_headers) {}

  Result<RepairedIndex> run() {
    TRY(lock_.check_held());
    TRY(list_packs());
    TRY(read_index_files());
    TRY(index_the_rest());
    TRY(drop_wrong_entries());
    TRY(remove_unreadable_files());
    return std::move(result_);
  }

 private:
  struct Pack {
    std::uint64_t bytes = 0;
    bool is_listed = false;  // rightly
  };

  Result<void> list_packs() {
    const auto keep = [&](const repo::PackId& id, const store::ObjectInfo& object) -> Result<void> {
      packs_[id].bytes = object.bytes;
      return {};
    };
    TRY(repo::list_ids<repo::PackId>(repository_.store(), repo::packs_prefix, keep));
    result_.packs = packs_.size();
    return {};
  }

  // A marked pack stays listed as it is: reading its header would bring it back.
  bool is_right(const repo::IndexedPack& listed) const {
    const auto pack = packs_.find(listed.id);
    if (pack == packs_.end() || repo::coverage_flaw(listed)) return false;
    if (pack->second.bytes != file_bytes_of(listed)) return false;
    return read_headers_ == ReadHeaders::where_needed || listed.state == repo::PackState::marked;
  }

  Result<void> read_index_files() {
    const auto files =
        TRY(repo::list_ids<repo::IndexId>(repository_.store(), repo::indexes_prefix));
    for (const auto& id : files) {
      TRY(repository_.context().check_stop());
      auto json = repository_.load_unpacked(id);
      Result<void> decoded;
      std::vector<repo::PackId> right;  // counts only when the file can be read to its end
      if (json.has_value())
        decoded = repo::decode_index(*json, [&](const repo::IndexedPack& listed) -> Result<void> {
          if (is_right(listed))
            right.push_back(listed.id);
          else
            ++result_.entries_dropped;
          return {};
        });
      else
        decoded = fail(json.error());
      if (decoded.has_value()) {
        readable_.push_back(id);
        for (const auto& pack : right) packs_[pack].is_listed = true;
      } else if (repo::is_damage(decoded.error().code)) {
        repository_.context().log.warn(describe(decoded.error()));
        unreadable_.push_back(id);
      } else {
        return decoded;
      }
    }
    return {};
  }

  Result<void> index_the_rest() {
    repo::IndexRecorder recorder(repository_);
    for (const auto& [id, pack] : packs_) {
      if (pack.is_listed) continue;
      TRY(repository_.context().check_stop());
      const auto blobs = repository_.load_pack_header(id, pack.bytes);
      if (blobs.has_value() && !blobs->empty()) {
        TRY(recorder.add(id, *blobs));
        ++result_.packs_read;
      } else if (blobs.has_value() || repo::is_damage(blobs.error().code)) {
        result_.unreadable.push_back(id);
        repository_.context().log.warn(fmt::format(
            "pack {} can not be indexed: {}", id.short_hex(),
            blobs.has_value() ? std::string("it holds no blob") : describe(blobs.error())));
      } else {
        return fail(blobs.error());
      }
    }
    return recorder.finish();
  }

  Result<void> drop_wrong_entries() {
    IndexEdit edit;
    edit.files = readable_;
    edit.edit = [this](repo::IndexedPack& listed) { return is_right(listed); };
    edit.may_go_on = [this] { return lock_.check_held(); };
    TRY(edit_index(repository_, edit));
    return {};
  }

  Result<void> remove_unreadable_files() {
    TRY(lock_.check_held());
    for (const auto& id : unreadable_) TRY(repository_.store().remove(object_name(id)));
    result_.index_files_removed = unreadable_.size();
    return repository_.store().sync();
  }

  const repo::Repository& repository_;
  const repo::Lock& lock_;
  const ReadHeaders read_headers_;
  std::unordered_map<repo::PackId, Pack> packs_;
  std::vector<repo::IndexId> readable_;
  std::vector<repo::IndexId> unreadable_;
  RepairedIndex result_;
};

}  // namespace

Result<RepairedIndex> repair_index(const repo::Repository& repository, const repo::Lock& lock,
                                   ReadHeaders read_headers) {
  return Repair(repository, lock, read_headers).run();
}

}  // namespace holdfast::retain
