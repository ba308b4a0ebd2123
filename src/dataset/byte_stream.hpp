#pragma once
// Bytes read or written front to back, plain or gzip, without holding more than a buffer of them.
#include <filesystem>
#include <memory>

#include "base/file.hpp"

namespace holdfast::dataset {

enum class Packing : std::uint8_t { plain, gzip };

// One thread. Errors name the file.
class ByteReader {
 public:
  virtual ~ByteReader() = default;
  // Up to out.size() bytes; 0 only at the end. `corrupt` for a broken or cut-off gzip stream.
  virtual Result<std::size_t> read(MutableByteView out) = 0;
};

Result<std::unique_ptr<ByteReader>> open_byte_reader(const std::filesystem::path& path,
                                                     Packing packing);
// Bytes of an owned open file from `offset` on; `name` is for messages.
std::unique_ptr<ByteReader> make_byte_reader(Fd file, std::uint64_t offset, std::string name,
                                             Packing packing);

// gzip if the file begins like one and not like a BSON document.
Result<Packing> packing_of(const std::filesystem::path& path);

// One thread. Nothing is complete before finish().
class ByteWriter {
 public:
  virtual ~ByteWriter() = default;
  virtual Result<void> write(ByteView bytes) = 0;
  // Writes what is buffered and the gzip trailer, then makes the file durable.
  virtual Result<void> finish() = 0;
};

// Creates the file; `exists` if there is one.
Result<std::unique_ptr<ByteWriter>> open_byte_writer(const std::filesystem::path& path,
                                                     Packing packing);

}  // namespace holdfast::dataset
