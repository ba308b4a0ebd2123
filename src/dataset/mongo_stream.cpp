#include "dataset/mongo_stream.hpp"

#include <fmt/format.h>

namespace holdfast::dataset {

namespace {

constexpr std::size_t buffer_bytes_min = std::size_t{256} << 10;
constexpr std::size_t length_bytes = 4;

}  // namespace

tl::unexpected<Error> BsonReader::broken(std::string_view what) const {
  return fail(ErrorCode::malformed, fmt::format("{}: {} at offset {}", name_, what, offset_));
}

Result<ByteView> BsonReader::peek(std::size_t count) {
  if (buffer_.size() - begin_ < count) {
    const std::size_t kept = end_ - begin_;
    if (kept != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, kept);
    begin_ = 0;
    end_ = kept;
    if (buffer_.size() < count) buffer_.resize(std::max(count, buffer_bytes_min));
  }
  while (end_ - begin_ < count) {
    const std::size_t got = TRY(bytes_->read(MutableByteView(buffer_).subspan(end_)));
    if (got == 0) break;
    end_ += got;
  }
  return ByteView(buffer_).subspan(begin_, std::min(count, end_ - begin_));
}

void BsonReader::skip(std::size_t count) {
  begin_ += count;
  offset_ += count;
}

Result<std::optional<ByteView>> BsonReader::next() {
  const ByteView head = TRY(peek(length_bytes));
  if (head.empty()) return std::optional<ByteView>();
  if (head.size() < length_bytes) return broken("a document is cut off");
  const auto length = load_le<std::uint32_t>(head.data());
  if (length > bson::document_bytes_max)
    return broken(fmt::format("a document of {} bytes is above the limit of {}", length,
                              bson::document_bytes_max));
  const ByteView document = TRY(peek(std::max<std::size_t>(length, length_bytes)));
  if (document.size() < length) return broken("a document is cut off");
  const auto valid = bson::Document::validate(document);
  if (!valid.has_value()) return broken(valid.error().message + ", in the document");
  skip(document.size());
  return std::optional<ByteView>(document);
}

Result<std::unique_ptr<BsonReader>> open_bson_file(const std::filesystem::path& path,
                                                   Packing packing) {
  auto bytes = TRY(open_byte_reader(path, packing));
  return std::make_unique<BsonReader>(std::move(bytes), path.string());
}

Result<std::optional<ByteView>> BsonBytes::next() {
  const ByteView rest = bytes_.subspan(at_);
  if (rest.empty()) return std::optional<ByteView>();
  const std::size_t length = rest.size() < length_bytes ? 0 : load_le<std::uint32_t>(rest.data());
  const auto valid = bson::Document::validate(rest.first(std::min(length, rest.size())));
  if (!valid.has_value())
    return fail(ErrorCode::malformed, fmt::format("{}: {}, in the document at offset {}", name_,
                                                  valid.error().message, at_));
  at_ += length;
  return std::optional<ByteView>(valid->bytes());
}

}  // namespace holdfast::dataset
