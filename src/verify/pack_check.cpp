#include "verify/pack_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/blob_reader.hpp"
#include "repo/layout.hpp"
#include "repo/tree_walk.hpp"

namespace holdfast::verify {
namespace {

std::string name_of(const repo::PackedBlob& blob) {
  return fmt::format("{} blob {}", blob.type == repo::BlobType::tree ? "tree" : "data",
                     blob.id.short_hex());
}

std::uint64_t end_of(const std::vector<repo::PackedBlob>& blobs) {
  std::uint64_t end = 0;
  for (const auto& blob : blobs) end = std::max(end, std::uint64_t{blob.offset} + blob.length);
  return end;
}

std::uint64_t sealed_header_bytes_of(const std::vector<repo::PackedBlob>& blobs) {
  std::uint64_t bytes = repo::seal_overhead_bytes;
  for (const auto& blob : blobs) bytes += repo::pack_entry_bytes(blob);
  return bytes;
}

}  // namespace

std::uint64_t pack_bytes_of(const std::vector<repo::PackedBlob>& blobs) {
  return end_of(blobs) + sealed_header_bytes_of(blobs) + repo::pack_length_field_bytes;
}

Result<BadPart> locate_header_damage(const repo::Repository& repository, const PackFile& pack,
                                     const std::vector<repo::PackedBlob>& blobs) {
  const std::uint64_t expected = pack_bytes_of(blobs);
  if (pack.bytes != expected)
    return BadPart{PackPart::header,
                   std::min(end_of(blobs), pack.bytes),
                   0,
                   {},
                   fmt::format("the pack has {} bytes instead of {}", pack.bytes, expected)};
  const std::uint64_t at = pack.bytes - repo::pack_length_field_bytes;
  const auto field =
      repository.store().get_range(object_name(pack.id), at, repo::pack_length_field_bytes);
  if (!field.has_value() && !repo::is_damage(field.error().code)) return fail(field.error());
  const std::uint64_t header_bytes = sealed_header_bytes_of(blobs);
  if (!field.has_value() || load_le<std::uint32_t>(field->data()) != header_bytes)
    return BadPart{PackPart::length_field,
                   at,
                   repo::pack_length_field_bytes,
                   {},
                   "the length field at the end of the pack is damaged"};
  return BadPart{
      PackPart::header, at - header_bytes, header_bytes, {}, "the header of the pack is damaged"};
}

Result<std::vector<BadPart>> PackCheck::check(const PackFile& pack, const AskIndex& ask_index) {
  bad_.clear();
  hashed_ = 0;
  hash_ = repo::Sha256Stream();
  const auto blobs = TRY(find_blobs(pack, ask_index));
  TRY(check_blobs(pack, blobs));
  if (bad_.empty()) TRY(hash_rest(pack));
  if (bad_.empty() && hash_.finish() != pack.id.bytes)
    bad_.push_back({PackPart::whole,
                    0,
                    pack.bytes,
                    {},
                    "the name is not the hash of the bytes, though every part is good"});
  return std::move(bad_);
}

Result<std::vector<repo::PackedBlob>> PackCheck::find_blobs(const PackFile& pack,
                                                            const AskIndex& ask_index) {
  auto header = repository_.load_pack_header(pack.id, pack.bytes);
  if (header.has_value()) return header;
  if (!repo::is_damage(header.error().code)) return header;
  auto blobs = ask_index();
  if (blobs.empty()) {
    bad_.push_back({PackPart::header, 0, pack.bytes, {}, header.error().message});
    return blobs;
  }
  auto bad = TRY(locate_header_damage(repository_, pack, blobs));
  bad_.push_back(std::move(bad));
  return blobs;
}

Result<void> PackCheck::check_blobs(const PackFile& pack, std::span<const repo::PackedBlob> blobs) {
  while (!blobs.empty()) {
    TRY(repository_.context().check_stop());
    std::size_t count = 0;
    std::uint64_t bytes = 0;
    while (count < blobs.size() && (count == 0 || bytes + blobs[count].length <= pack_range_bytes))
      bytes += blobs[count++].length;
    TRY(check_range(pack, blobs.first(count)));
    blobs = blobs.subspan(count);
  }
  return {};
}

// REQUIRES: the blobs follow each other without gaps, which headers do by their form and index
// entries were checked for.
Result<void> PackCheck::check_range(const PackFile& pack, std::span<const repo::PackedBlob> blobs) {
  const std::uint64_t begin = blobs.front().offset;
  const std::uint64_t end = std::uint64_t{blobs.back().offset} + blobs.back().length;
  if (end <= pack.bytes) {
    auto range = repository_.store().get_range(object_name(pack.id), begin, end - begin);
    if (range.has_value()) {
      bytes_read_ += range->size();
      hash_.update(*range);  // before it is opened in place
      hashed_ = end;
      for (const auto& blob : blobs)
        check_blob(blob, MutableByteView(*range).subspan(blob.offset - begin, blob.length));
      return {};
    }
    if (!repo::is_damage(range.error().code)) return fail(range.error());
  }
  for (const auto& blob : blobs) TRY(check_alone(pack, blob));
  return {};
}

Result<void> PackCheck::check_alone(const PackFile& pack, const repo::PackedBlob& blob) {
  auto sealed = repository_.store().get_range(object_name(pack.id), blob.offset, blob.length);
  if (sealed.has_value()) {
    bytes_read_ += sealed->size();
    check_blob(blob, *sealed);
    return {};
  }
  if (!repo::is_damage(sealed.error().code)) return fail(sealed.error());
  bad_blob(blob, "can not be read: " + sealed.error().message);
  return {};
}

void PackCheck::check_blob(const repo::PackedBlob& blob, MutableByteView sealed) {
  ++blobs_checked_;
  const auto opened = repo::open_in_place(repository_.key().master, sealed);
  if (!opened.has_value()) return bad_blob(blob, "is damaged");
  ByteView plain = *opened;
  if (blob.is_compressed()) {
    if (blob.plain_length > repo::blob_plain_bytes_max)
      return bad_blob(blob, "claims an absurd length");
    plain_.resize(blob.plain_length);
    if (!decompressor_.decompress_into(*opened, plain_).has_value())
      return bad_blob(blob, "can not be decompressed");
    plain = plain_;
  }
  if (repo::sha256(plain) != blob.id.bytes) bad_blob(blob, "has other contents than its id says");
}

void PackCheck::bad_blob(const repo::PackedBlob& blob, std::string_view what) {
  bad_.push_back({PackPart::blob, blob.offset, blob.length, blob.handle(),
                  fmt::format("{} {}", name_of(blob), what)});
}

Result<void> PackCheck::hash_rest(const PackFile& pack) {
  while (hashed_ < pack.bytes) {
    const std::uint64_t length = std::min(pack.bytes - hashed_, pack_range_bytes);
    const auto range = repository_.store().get_range(object_name(pack.id), hashed_, length);
    if (!range.has_value() && !repo::is_damage(range.error().code)) return fail(range.error());
    if (!range.has_value()) {
      bad_.push_back({PackPart::header, hashed_, length, {}, range.error().message});
      return {};
    }
    bytes_read_ += length;
    hash_.update(*range);
    hashed_ += length;
  }
  return {};
}

}  // namespace holdfast::verify
