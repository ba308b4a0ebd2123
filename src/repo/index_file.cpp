#include "repo/index_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "repo/json_cursor.hpp"
#include "repo/unpacked.hpp"

namespace holdfast::repo {
namespace {

bool read_blob_type(JsonCursor& in, PackedBlob& blob) {
  std::string_view text;
  if (!in.string_view(text)) return false;
  if (text != "data" && text != "tree") return in.fail_here("unknown blob type");
  blob.type = text == "data" ? BlobType::data : BlobType::tree;
  return true;
}

constexpr JsonField<PackedBlob> blob_fields[] = {
    {"id", [](JsonCursor& in, PackedBlob& into) { return read_id(in, into.id); }},
    {"type", read_blob_type},
    {"offset", [](JsonCursor& in, PackedBlob& into) { return in.number(into.offset); }},
    {"length", [](JsonCursor& in, PackedBlob& into) { return in.number(into.length); }},
    {"uncompressed_length",
     [](JsonCursor& in, PackedBlob& into) { return in.number(into.plain_length); }},
};

bool read_blobs(JsonCursor& in, IndexedPack& pack) {
  pack.blobs.clear();
  if (!in.enter_array()) return false;
  while (in.next_item()) {
    if (pack.blobs.size() == pack_header_sealed_bytes_max / pack_entry_bytes_min)
      return in.fail_here("more blobs than a pack can hold");
    pack.blobs.emplace_back();
    if (!read_object(in, pack.blobs.back(), blob_fields)) return false;
  }
  return !in.failed();
}

constexpr JsonField<IndexedPack> pack_fields[] = {
    {"id", [](JsonCursor& in, IndexedPack& into) { return read_id(in, into.id); }},
    {"blobs", read_blobs},
    {"time", [](JsonCursor& in, IndexedPack& into) { return read_time(in, into.time.emplace()); }},
    {"size",
     [](JsonCursor& in, IndexedPack& into) { return in.number(into.pack_bytes.emplace()); }},
};

Result<void> decode_packs(JsonCursor& in, PackState state, const IndexVisitor& visit) {
  IndexedPack pack;
  in.enter_array();
  while (in.next_item()) {
    pack.id = {};
    pack.state = state;
    pack.blobs.clear();
    pack.time.reset();
    pack.pack_bytes.reset();
    if (!read_object(in, pack, pack_fields)) break;
    TRY(visit(pack));
  }
  return in.status("index");
}

void put_blob(JsonText& out, const PackedBlob& blob) {
  out.begin_object();
  out.key("id");
  out.hex(blob.id.view());
  out.key("type");
  out.string_unescaped(blob.type == BlobType::data ? "data" : "tree");
  out.key("offset");
  out.number(blob.offset);
  out.key("length");
  out.number(blob.length);
  if (blob.is_compressed()) {
    out.key("uncompressed_length");
    out.number(blob.plain_length);
  }
  out.end_object();
}

}  // namespace

Result<void> decode_index(ByteView json, const IndexVisitor& visit) {
  if (json.size() > unpacked_json_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("index of {} bytes", json.size()));
  JsonCursor in(as_text(json));
  in.enter_object();
  std::string_view key;
  while (in.next_key(key)) {
    const bool is_live = key == "packs";
    const bool is_marked = key == "packs_to_delete";
    if (in.take_null()) continue;
    if (is_live || is_marked)
      TRY(decode_packs(in, is_live ? PackState::live : PackState::marked, visit));
    else
      in.skip();
  }
  if (!in.failed() && !in.at_end()) in.fail_here("text after the index");
  return in.status("index");
}

IndexEncoder::IndexEncoder() {
  live_.begin_object();
  live_.key("packs");
  live_.begin_array();
}

void IndexEncoder::add(const IndexedPack& pack) {
  const bool is_marked = pack.state == PackState::marked;
  if (is_marked && marked_count_++ == 0) marked_.begin_array();
  JsonText& out = is_marked ? marked_ : live_;
  out.begin_object();
  out.key("id");
  out.hex(pack.id.view());
  out.key("blobs");
  out.begin_array();
  for (const auto& blob : pack.blobs) put_blob(out, blob);
  out.end_array();
  if (pack.time) {
    out.key("time");
    out.time(*pack.time);
  }
  if (pack.pack_bytes) {
    out.key("size");
    out.number(*pack.pack_bytes);
  }
  out.end_object();
  blob_count_ += pack.blobs.size();
  ++pack_count_;
}

Bytes IndexEncoder::finish() {
  live_.end_array();
  if (marked_count_ > 0) {
    marked_.end_array();
    live_.key("packs_to_delete");
    live_.raw(as_text(marked_.view()));
  }
  live_.end_object();
  live_.line_end();
  Bytes json = live_.take();
  *this = IndexEncoder();
  return json;
}

std::optional<std::string> coverage_flaw(const IndexedPack& pack) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;  // offset, length
  pieces.reserve(pack.blobs.size());
  for (const auto& blob : pack.blobs) pieces.emplace_back(blob.offset, blob.length);
  std::sort(pieces.begin(), pieces.end());
  std::uint64_t end = 0;
  for (const auto& [offset, length] : pieces) {
    if (offset != end)
      return fmt::format("{} at offset {} of pack {}", offset > end ? "gap" : "overlap",
                         std::min(offset, end), pack.id.short_hex());
    end = offset + length;
  }
  return std::nullopt;
}

}  // namespace holdfast::repo
