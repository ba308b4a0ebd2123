#pragma once
// Concatenated BSON documents, as .bson files, archives and segments hold them.
#include "bson/view.hpp"
#include "dataset/byte_stream.hpp"

namespace holdfast::dataset {

// Pulls documents one by one. One thread.
class DocumentStream {
 public:
  virtual ~DocumentStream() = default;
  // Validated bytes, valid until the next call; nothing at the end.
  virtual Result<std::optional<ByteView>> next() = 0;
};

// Reads framed bytes through one buffer that grows to the largest document. Errors name the file
// and the offset (of the unpacked bytes) where the document begins.
class BsonReader final : public DocumentStream {
 public:
  BsonReader(std::unique_ptr<ByteReader> bytes, std::string name)
      : bytes_(std::move(bytes)), name_(std::move(name)) {}

  Result<std::optional<ByteView>> next() override;

  // The next `count` raw bytes, valid until the next call; fewer only at the end of the input.
  Result<ByteView> peek(std::size_t count);
  void skip(std::size_t count);  // REQUIRES: they were peeked

  std::uint64_t offset() const { return offset_; }
  tl::unexpected<Error> broken(std::string_view what) const;

 private:
  std::unique_ptr<ByteReader> bytes_;
  std::string name_;
  Bytes buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t offset_ = 0;
};

Result<std::unique_ptr<BsonReader>> open_bson_file(const std::filesystem::path& path,
                                                   Packing packing);

// Documents in bytes that somebody else owns.
class BsonBytes final : public DocumentStream {
 public:
  BsonBytes(ByteView bytes, std::string name) : bytes_(bytes), name_(std::move(name)) {}
  Result<std::optional<ByteView>> next() override;

 private:
  ByteView bytes_;
  std::string name_;
  std::size_t at_ = 0;
};

}  // namespace holdfast::dataset
