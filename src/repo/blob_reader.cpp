#include "repo/blob_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/layout.hpp"

namespace holdfast::repo {
namespace {

std::string name_of(const BlobHandle& handle) {
  return fmt::format("{} blob {}", handle.type == BlobType::tree ? "tree" : "data",
                     handle.id.short_hex());
}

}  // namespace

Result<ByteView> BlobReader::open(const IndexedBlob& blob, MutableByteView sealed) {
  const auto damaged = [&](std::string_view what) {
    return fail(ErrorCode::corrupt,
                fmt::format("{} in pack {} {}", name_of(blob.handle),
                            repository_.index().pack(blob.pack).id.short_hex(), what));
  };
  auto opened = open_in_place(repository_.key().master, sealed);
  if (!opened.has_value()) return damaged("is damaged");
  ByteView plain = *opened;
  if (blob.plain_length != 0) {
    if (blob.plain_length > blob_plain_bytes_max) return damaged("claims an absurd length");
    plain_.resize(blob.plain_length);
    if (!decompressor_.decompress_into(*opened, plain_).has_value())
      return damaged("can not be decompressed");
    plain = plain_;
  }
  if (sha256(plain) != blob.handle.id.bytes) return damaged("has other contents than its id says");
  return plain;
}

Result<ByteView> BlobReader::load_copy(const IndexedBlob& blob) {
  if (blob.length > blob_plain_bytes_max)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} has {} bytes", name_of(blob.handle), blob.length));
  const auto name = object_name(repository_.index().pack(blob.pack).id);
  sealed_ = TRY(repository_.store()
                    .get_range(name, blob.offset, blob.length)
                    .while_doing(fmt::format("reading {}", name_of(blob.handle))));
  return open(blob, sealed_);
}

Result<ByteView> BlobReader::load(const BlobHandle& handle) {
  const auto copies = repository_.index().find_all(handle);
  if (copies.empty())
    return fail(ErrorCode::not_found, fmt::format("{} is in no index", name_of(handle)));
  Result<ByteView> last = fail(ErrorCode::failed, "");
  for (const auto& copy : copies) {
    last = load_copy(copy);
    if (last.has_value()) return last;
  }
  return last;
}

Result<void> BlobReader::load_run(std::span<const IndexedBlob> blobs, const Take& take) {
  const std::uint64_t begin = blobs.front().offset;
  std::uint64_t end = begin;
  for (const auto& blob : blobs) end = std::max(end, std::uint64_t{blob.offset} + blob.length);
  if (end - begin > run_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("a run of {} bytes", end - begin));
  const auto name = object_name(repository_.index().pack(blobs.front().pack).id);
  auto run = repository_.store().get_range(name, begin, end - begin);
  for (std::size_t at = 0; at < blobs.size(); ++at) {
    const auto& blob = blobs[at];
    Result<ByteView> plain = fail(ErrorCode::failed, "");
    if (run.has_value()) {
      const auto sealed = MutableByteView(*run).subspan(blob.offset - begin, blob.length);
      plain = open(blob, sealed);
    }
    if (!plain.has_value()) plain = load(blob.handle);
    if (!plain.has_value()) return fail(std::move(plain.error()));
    TRY(take(at, *plain));
  }
  return {};
}

}  // namespace holdfast::repo
