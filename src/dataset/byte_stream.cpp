#include "dataset/byte_stream.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>

namespace holdfast::dataset {

namespace {

constexpr std::size_t buffer_bytes = std::size_t{256} << 10;
constexpr int gzip_window_bits = 15 + 16;  // zlib: the largest window, gzip framing

class PlainReader final : public ByteReader {
 public:
  PlainReader(Fd file, std::uint64_t offset, std::string name)
      : file_(std::move(file)), offset_(offset), name_(std::move(name)) {}

  Result<std::size_t> read(MutableByteView out) override {
    const std::size_t got =
        TRY(read_up_to_at(file_.get(), out, offset_).while_doing("reading " + name_));
    offset_ += got;
    return got;
  }

 private:
  Fd file_;
  std::uint64_t offset_;
  std::string name_;
};

// Any number of gzip members one after the other, as gunzip reads them.
class GzipReader final : public ByteReader {
 public:
  GzipReader(std::unique_ptr<ByteReader> packed, std::string name)
      : packed_(std::move(packed)), name_(std::move(name)), buffer_(buffer_bytes) {}
  ~GzipReader() override {
    if (is_open_) inflateEnd(&stream_);
  }

  Result<std::size_t> read(MutableByteView out) override {
    if (out.empty()) return std::size_t{0};
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), UINT32_MAX));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      const bool has_input = TRY(fill());
      if (!has_input && !is_inside_) return std::size_t{0};
      if (!has_input) return broken("ends in the middle");
      TRY(step());
    }
    return std::size_t{wanted - stream_.avail_out};
  }

 private:
  tl::unexpected<Error> broken(std::string_view what) const {
    return fail(ErrorCode::corrupt, fmt::format("{}: the gzip stream {} at packed offset {}", name_,
                                                what, packed_offset_ - stream_.avail_in));
  }

  // False at the end of the file.
  Result<bool> fill() {
    if (stream_.avail_in > 0) return true;
    const std::size_t got = TRY(packed_->read(buffer_));
    packed_offset_ += got;
    stream_.next_in = buffer_.data();
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  Result<void> step() {
    if (!is_open_) {
      if (inflateInit2(&stream_, gzip_window_bits) != Z_OK) return broken("can not be opened");
      is_open_ = true;
    }
    is_inside_ = true;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      is_inside_ = false;
      inflateReset(&stream_);
      return {};
    }
    if (status != Z_OK && status != Z_BUF_ERROR) return broken("is damaged");
    return {};
  }

  std::unique_ptr<ByteReader> packed_;
  std::string name_;
  Bytes buffer_;
  z_stream stream_{};
  std::uint64_t packed_offset_ = 0;
  bool is_open_ = false;
  bool is_inside_ = false;
};

class PlainWriter final : public ByteWriter {
 public:
  PlainWriter(Fd file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}

  Result<void> write(ByteView bytes) override {
    append(buffer_, bytes);
    if (buffer_.size() < buffer_bytes) return {};
    return flush();
  }

  Result<void> finish() override {
    TRY(flush());
    if (::fsync(file_.get()) != 0) return fail_errno("sync " + name_, errno);
    return {};
  }

 private:
  Result<void> flush() {
    TRY(write_all(file_.get(), buffer_).while_doing("writing " + name_));
    buffer_.clear();
    return {};
  }

  Fd file_;
  std::string name_;
  Bytes buffer_;
};

class GzipWriter final : public ByteWriter {
 public:
  explicit GzipWriter(std::unique_ptr<ByteWriter> packed)
      : packed_(std::move(packed)), buffer_(buffer_bytes) {}
  ~GzipWriter() override {
    if (is_open_) deflateEnd(&stream_);
  }

  Result<void> write(ByteView bytes) override {
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
      TRY(deflate_all(part, Z_NO_FLUSH));
      bytes = bytes.subspan(part.size());
    }
    return {};
  }

  Result<void> finish() override {
    TRY(deflate_all({}, Z_FINISH));
    return packed_->finish();
  }

 private:
  Result<void> deflate_all(ByteView bytes, int flush) {
    constexpr int memory_level = 8;
    if (!is_open_ && deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window_bits,
                                  memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
      return fail(ErrorCode::failed, "zlib can not start compressing");
    is_open_ = true;
    stream_.next_in = const_cast<Bytef*>(bytes.data());
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      stream_.next_out = buffer_.data();
      stream_.avail_out = static_cast<uInt>(buffer_.size());
      deflate(&stream_, flush);
      TRY(packed_->write(ByteView(buffer_).first(buffer_.size() - stream_.avail_out)));
    } while (stream_.avail_out == 0);
    return {};
  }

  std::unique_ptr<ByteWriter> packed_;
  Bytes buffer_;
  z_stream stream_{};
  bool is_open_ = false;
};

}  // namespace

std::unique_ptr<ByteReader> make_byte_reader(Fd file, std::uint64_t offset, std::string name,
                                             Packing packing) {
  auto plain = std::make_unique<PlainReader>(std::move(file), offset, name);
  if (packing == Packing::plain) return plain;
  return std::make_unique<GzipReader>(std::move(plain), std::move(name));
}

Result<std::unique_ptr<ByteReader>> open_byte_reader(const std::filesystem::path& path,
                                                     Packing packing) {
  Fd file = TRY(open_for_reading(path));
  return make_byte_reader(std::move(file), 0, path.string(), packing);
}

Result<Packing> packing_of(const std::filesystem::path& path) {
  Fd file = TRY(open_for_reading(path));
  std::uint8_t head[5] = {};
  const std::size_t got = TRY(read_up_to(file.get(), head));
  const bool has_magic = got == sizeof head && head[0] == 0x1F && head[1] == 0x8B && head[2] == 8;
  if (!has_magic) return Packing::plain;
  // A BSON document of 559,903 bytes begins with the same four bytes as gzip without flags; then
  // its first element's type follows, where mongodump's gzip has a time of zero.
  const bool could_be_bson = head[3] == 0 && head[4] != 0 && head[4] <= 0x13;
  return could_be_bson ? Packing::plain : Packing::gzip;
}

Result<std::unique_ptr<ByteWriter>> open_byte_writer(const std::filesystem::path& path,
                                                     Packing packing) {
  Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return fail_errno("create " + path.string(), errno);
  auto plain = std::make_unique<PlainWriter>(std::move(file), path.string());
  if (packing == Packing::plain) return std::unique_ptr<ByteWriter>(std::move(plain));
  return std::unique_ptr<ByteWriter>(std::make_unique<GzipWriter>(std::move(plain)));
}

}  // namespace holdfast::dataset
