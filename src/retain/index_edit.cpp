#include "retain/index_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "repo/layout.hpp"

namespace holdfast::retain {
namespace {

class Editor {
 public:
  Editor(const repo::Repository& repository, const IndexEdit& edit)
      : repository_(repository), edit_(edit) {}

  Result<IndexEdited> run() {
    TRY(choose_files());
    if (replaced_.empty()) return IndexEdited{};
    for (const auto& id : replaced_) {
      TRY(repository_.context().check_stop());
      TRY(rewrite(id));
    }
    TRY(close(live_));
    TRY(close(marked_));
    TRY(edit_.may_go_on());
    for (const auto& id : replaced_)
      if (!written_.contains(id)) TRY(repository_.store().remove(object_name(id)));
    TRY(repository_.store().sync());
    return IndexEdited{written_.size(), replaced_.size()};
  }

 private:
  // First pass: which files change, and which are small.
  Result<void> choose_files() {
    std::vector<repo::IndexId> small;
    for (const auto& id : edit_.files) {
      std::size_t blobs = 0;
      bool changes = false;
      TRY(visit(id, [&](const repo::IndexedPack& pack) -> Result<void> {
        blobs += pack.blobs.size();
        auto edited = pack;
        changes = changes || !edit_.edit(edited) || edited != pack;
        return {};
      }));
      if (changes)
        replaced_.push_back(id);
      else if (blobs < small_index_file_blobs)
        small.push_back(id);
    }
    const bool merges =
        edit_.merge_small == IndexEdit::MergeSmall::yes && small.size() > small_index_files_max;
    if (merges) replaced_.insert(replaced_.end(), small.begin(), small.end());
    return {};
  }

  Result<void> visit(const repo::IndexId& id, const repo::IndexVisitor& visitor) const {
    const auto json = TRY(repository_.load_unpacked(id));
    return repo::decode_index(json, visitor)
        .while_doing(fmt::format("reading index {}", id.short_hex()));
  }

  Result<void> rewrite(const repo::IndexId& id) {
    return visit(id, [this](const repo::IndexedPack& pack) -> Result<void> {
      auto edited = pack;
      if (!edit_.edit(edited)) return {};
      const bool is_live = edited.state == repo::PackState::live;
      auto& listed = is_live ? live_listed_ : marked_listed_;
      if (!listed.insert(edited.id).second) return {};
      auto& encoder = is_live ? live_ : marked_;
      encoder.add(edited);
      if (encoder.blob_count() < index_file_blobs_max) return {};
      return close(encoder);
    });
  }

  Result<void> close(repo::IndexEncoder& encoder) {
    if (encoder.pack_count() == 0) return {};
    const auto id = TRY(repository_.save_index(encoder.finish(), store::Durability::immediate));
    written_.insert(id);
    return {};
  }

  const repo::Repository& repository_;
  const IndexEdit& edit_;
  std::vector<repo::IndexId> replaced_;
  std::set<repo::IndexId> written_;
  std::set<repo::PackId> live_listed_;
  std::set<repo::PackId> marked_listed_;
  repo::IndexEncoder live_;
  repo::IndexEncoder marked_;
};

}  // namespace

Result<IndexEdited> edit_index(const repo::Repository& repository, const IndexEdit& edit) {
  return Editor(repository, edit).run();
}

}  // namespace holdfast::retain
