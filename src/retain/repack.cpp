#include "retain/repack.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/blob_reader.hpp"
#include "repo/index_recorder.hpp"
#include "repo/layout.hpp"
#include "repo/packer.hpp"
#include "repo/tree_walk.hpp"
#include "repo/writer.hpp"

namespace holdfast::retain {
namespace {

constexpr std::uint64_t range_bytes_max = std::uint64_t{16} << 20;
// Unneeded bytes between two needed blobs that are read rather than skipped.
constexpr std::uint64_t gap_bytes_max = std::uint64_t{64} << 10;

class Repacker {
 public:
  explicit Repacker(const repo::Repository& repository)
      : repository_(repository),
        recorder_(repository),
        reader_(repository),
        data_packer_(repository.context(), repository.store(), repository.key().master,
                     {repo::BlobType::data, sizes_.data_pack_bytes, 1}, on_stored()),
        tree_packer_(repository.context(), repository.store(), repository.key().master,
                     {repo::BlobType::tree, sizes_.tree_pack_bytes, 1}, on_stored()) {}

  // REQUIRES: sorted by pack and offset.
  Result<void> move(std::span<const repo::IndexedBlob> blobs) {
    while (!blobs.empty()) {
      TRY(repository_.context().check_stop());
      std::size_t count = 1;
      while (count < blobs.size() && is_near(blobs.front(), blobs[count - 1], blobs[count]))
        ++count;
      TRY(move_range(blobs.first(count)));
      blobs = blobs.subspan(count);
    }
    return {};
  }

  Result<Repacked> finish() {
    TRY(data_packer_.flush());
    TRY(tree_packer_.flush());
    TRY(recorder_.finish());
    return moved_;
  }

 private:
  repo::Packer::Stored on_stored() {
    return [this](const repo::PackId& id, const std::vector<repo::PackedBlob>& blobs) {
      ++moved_.packs;
      return recorder_.add(id, blobs);
    };
  }

  static bool is_near(const repo::IndexedBlob& first, const repo::IndexedBlob& last,
                      const repo::IndexedBlob& next) {
    const std::uint64_t last_end = std::uint64_t{last.offset} + last.length;
    const std::uint64_t next_end = std::uint64_t{next.offset} + next.length;
    return next.pack == first.pack && next.offset >= last_end &&
           next.offset - last_end <= gap_bytes_max && next_end - first.offset <= range_bytes_max;
  }

  Result<void> move_range(std::span<const repo::IndexedBlob> blobs) {
    const std::uint64_t begin = blobs.front().offset;
    const std::uint64_t end = std::uint64_t{blobs.back().offset} + blobs.back().length;
    const auto pack = repository_.index().pack(blobs.front().pack).id;
    auto range = repository_.store().get_range(object_name(pack), begin, end - begin);
    if (!range.has_value() && !repo::is_damage(range.error().code)) return fail(range.error());
    for (const auto& blob : blobs) {
      if (range.has_value()) {
        const auto sealed = MutableByteView(*range).subspan(blob.offset - begin, blob.length);
        auto moved = move_blob(blob, sealed);
        if (moved.has_value() || !repo::is_damage(moved.error().code)) {
          TRY(std::move(moved));
          continue;
        }
      }
      TRY(move_other_copy(blob));
    }
    return {};
  }

  // Opening destroys the sealed bytes, so they are kept aside first.
  Result<void> move_blob(const repo::IndexedBlob& blob, MutableByteView sealed) {
    sealed_.assign(sealed.begin(), sealed.end());
    TRY(reader_.open(blob, sealed));
    const repo::PackedBlob entry{blob.handle.id, blob.handle.type, 0, blob.length,
                                 blob.plain_length};
    auto& packer = blob.handle.type == repo::BlobType::tree ? tree_packer_ : data_packer_;
    auto room = TRY(packer.reserve(entry));
    std::ranges::copy(sealed_, room.bytes().begin());
    TRY(packer.commit(std::move(room)));
    ++moved_.blobs;
    moved_.bytes += blob.length;
    return {};
  }

  Result<void> move_other_copy(const repo::IndexedBlob& damaged) {
    Result<void> last = fail(ErrorCode::corrupt,
                             fmt::format("blob {} in pack {} is damaged and has no other copy",
                                         damaged.handle.id.short_hex(),
                                         repository_.index().pack(damaged.pack).id.short_hex()));
    for (const auto& copy : repository_.index().find_all(damaged.handle)) {
      const auto pack = repository_.index().pack(copy.pack).id;
      auto sealed = repository_.store().get_range(object_name(pack), copy.offset, copy.length);
      if (!sealed.has_value()) continue;
      last = move_blob(copy, *sealed);
      if (last.has_value() || !repo::is_damage(last.error().code)) return last;
    }
    return last;
  }

  const repo::Repository& repository_;
  const repo::WriterOptions sizes_;
  Repacked moved_;
  repo::IndexRecorder recorder_;
  repo::BlobReader reader_;
  repo::Packer data_packer_;
  repo::Packer tree_packer_;
  Bytes sealed_;
};

}  // namespace

Result<Repacked> repack(const repo::Repository& repository, const std::vector<bool>& packs,
                        const repo::PositionSet& kept) {
  const repo::Index& index = repository.index();
  Repacker repacker(repository);
  std::vector<repo::IndexedBlob> batch;
  const auto move_batch = [&]() -> Result<void> {
    std::ranges::sort(batch, [](const repo::IndexedBlob& a, const repo::IndexedBlob& b) {
      return std::tie(a.pack, a.offset) < std::tie(b.pack, b.offset);
    });
    TRY(repacker.move(batch));
    batch.clear();
    return {};
  };
  for (std::uint64_t position = 0; position < index.loaded_count(); ++position) {
    if (!kept.contains(position)) continue;
    const auto blob = index.at(position);
    if (!packs[blob.pack]) continue;
    batch.push_back(blob);
    if (batch.size() == repack_blobs_max) TRY(move_batch());
  }
  TRY(move_batch());
  return repacker.finish();
}

}  // namespace holdfast::retain
