#include "repo/index_run.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <bit>
#include <cerrno>
#include <cstdlib>
#include <tuple>

namespace holdfast::repo {
namespace {

constexpr std::size_t rows_buffered = 4096;

template <class T>
ByteView bytes_of(std::span<const T> values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()};
}

// Unmaps whole pages of a mapped file from this process; they are read again when touched.
void drop_pages(ByteView mapped) {
  constexpr std::uintptr_t page_bytes = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(mapped.data());
  const auto first = (begin + page_bytes - 1) / page_bytes * page_bytes;
  const auto last = (begin + mapped.size()) / page_bytes * page_bytes;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

std::uint64_t combined(std::uint64_t records, std::uint64_t suffixes) {
  const std::array<std::uint64_t, 2> both{records, suffixes};
  return XXH3_64bits(both.data(), sizeof both);
}

}  // namespace

static_assert(std::endian::native == std::endian::little, "prefixes are swapped from big endian");

Result<Mapping> Mapping::make(const Fd& file, std::uint64_t bytes) {
  Mapping mapping;
  if (bytes == 0) return mapping;
  void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (at == MAP_FAILED) return fail_errno("map the index", errno);
  mapping.view_ = {static_cast<const std::uint8_t*>(at), bytes};
  return mapping;
}

void Mapping::unmap() {
  if (!view_.empty()) ::munmap(const_cast<std::uint8_t*>(view_.data()), view_.size());
  view_ = {};
}

IndexRow IndexRow::make(const IndexedBlob& blob) {
  IndexRow row;
  const auto& id = blob.handle.id.bytes;
  row.record.prefix = load_be64(id.data());
  row.record.pack_and_type = blob.pack << 1 | static_cast<std::uint32_t>(blob.handle.type);
  row.record.offset = blob.offset;
  row.record.length = blob.length;
  row.record.plain_length = blob.plain_length;
  std::copy(id.begin() + 8, id.end(), row.suffix.begin());
  return row;
}

IndexedBlob IndexRow::blob() const {
  IndexedBlob blob;
  auto& id = blob.handle.id.bytes;
  store_be64(id.data(), record.prefix);
  std::copy(suffix.begin(), suffix.end(), id.begin() + 8);
  blob.handle.type = record.type();
  blob.pack = record.pack();
  blob.offset = record.offset;
  blob.length = record.length;
  blob.plain_length = record.plain_length;
  return blob;
}

bool IndexRow::operator<(const IndexRow& other) const {
  if (record.prefix != other.record.prefix) return record.prefix < other.record.prefix;
  const auto rest = [](const IndexRow& row) {
    return std::tuple(row.record.type(), row.record.pack(), row.record.offset);
  };
  return suffix != other.suffix ? suffix < other.suffix : rest(*this) < rest(other);
}

bool IndexRow::is_same_place(const IndexRow& other) const {
  return record.prefix == other.record.prefix && suffix == other.suffix &&
         record.pack_and_type == other.record.pack_and_type && record.offset == other.record.offset;
}

// Ids are uniform, so a blob stands close to where its prefix says; from there a bracket is
// doubled until it holds the place, and then halved.
std::uint64_t IndexRun::lower_bound(std::uint64_t prefix) const {
  const std::uint64_t count = records_.size();
  if (count == 0) return 0;
  const auto guess = static_cast<std::uint64_t>(static_cast<long double>(prefix) * 0x1p-64L *
                                                static_cast<long double>(count));
  std::uint64_t begin = std::min(guess, count - 1);
  std::uint64_t end = begin;
  if (records_[begin].prefix < prefix) {
    for (std::uint64_t step = 1; end < count && records_[end].prefix < prefix; step *= 2) {
      begin = end + 1;
      end = std::min(count, end + step);
    }
  } else {
    for (std::uint64_t step = 1; begin > 0 && records_[begin].prefix >= prefix; step *= 2) {
      end = begin;
      begin -= std::min(begin, step);
    }
    if (records_[begin].prefix >= prefix) end = begin;
  }
  while (begin < end) {
    const auto middle = begin + (end - begin) / 2;
    if (records_[middle].prefix < prefix)
      begin = middle + 1;
    else
      end = middle;
  }
  return begin;
}

bool IndexRun::has_suffix(std::uint64_t position, const IdSuffix& suffix) const {
  if (file_ < 0) return suffixes_[position] == suffix;
  IdSuffix stored;
  const auto read = read_up_to_at(file_, stored, suffixes_offset_ + position * sizeof(IdSuffix));
  return read.has_value() && *read == sizeof stored && stored == suffix;
}

void IndexRun::drop_suffixes(std::uint64_t first, std::uint64_t count) const {
  if (file_ >= 0) drop_pages(bytes_of(suffixes_.subspan(first, count)));
}
void IndexRun::drop_records(std::uint64_t first, std::uint64_t count) const {
  if (file_ >= 0) drop_pages(bytes_of(records_.subspan(first, count)));
}

IndexRun::Range IndexRun::find(const BlobHandle& handle) const {
  const auto prefix = load_be64(handle.id.bytes.data());
  IdSuffix suffix;
  std::copy(handle.id.bytes.begin() + 8, handle.id.bytes.end(), suffix.begin());
  Range range;
  for (auto at = lower_bound(prefix); at < size() && records_[at].prefix == prefix; ++at) {
    if (records_[at].type() != handle.type || !has_suffix(at, suffix)) continue;
    if (range.count == 0) range.first = at;
    ++range.count;
  }
  return range;
}

struct RowWriter::Checksums {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  using State = std::unique_ptr<XXH3_state_t, Free>;

  Checksums() {
    XXH3_64bits_reset(records.get());
    XXH3_64bits_reset(suffixes.get());
  }
  State records{XXH3_createState()};
  State suffixes{XXH3_createState()};
};

RowWriter::RowWriter(const Fd& file, std::uint64_t records_offset, std::uint64_t suffixes_offset)
    : file_(file),
      checksums_(std::make_unique<Checksums>()),
      records_offset_(records_offset),
      suffixes_offset_(suffixes_offset) {
  records_.reserve(rows_buffered);
  suffixes_.reserve(rows_buffered);
}
RowWriter::~RowWriter() = default;

Result<void> RowWriter::add(const IndexRow& row) {
  records_.push_back(row.record);
  suffixes_.push_back(row.suffix);
  if (records_.size() < rows_buffered) return {};
  return flush();
}

Result<void> RowWriter::flush() {
  const auto records = bytes_of(std::span(std::as_const(records_)));
  const auto suffixes = bytes_of(std::span(std::as_const(suffixes_)));
  TRY(write_all_at(file_.get(), records, records_offset_ + count_ * sizeof(IndexRecord)));
  TRY(write_all_at(file_.get(), suffixes, suffixes_offset_ + count_ * sizeof(IdSuffix)));
  XXH3_64bits_update(checksums_->records.get(), records.data(), records.size());
  XXH3_64bits_update(checksums_->suffixes.get(), suffixes.data(), suffixes.size());
  count_ += records_.size();
  records_.clear();
  suffixes_.clear();
  return {};
}

std::uint64_t RowWriter::checksum() const {
  return combined(XXH3_64bits_digest(checksums_->records.get()),
                  XXH3_64bits_digest(checksums_->suffixes.get()));
}

std::uint64_t rows_checksum(std::span<const IndexRecord> records,
                            std::span<const IdSuffix> suffixes) {
  const auto record_bytes = bytes_of(records);
  const auto suffix_bytes = bytes_of(suffixes);
  return combined(XXH3_64bits(record_bytes.data(), record_bytes.size()),
                  XXH3_64bits(suffix_bytes.data(), suffix_bytes.size()));
}

Result<Fd> make_unnamed_file(const std::filesystem::path& directory) {
  Fd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.is_open()) return file;
  auto name = (directory / "holdfast-index-XXXXXX").string();  // no O_TMPFILE on some file systems
  Fd named(::mkostemp(name.data(), O_CLOEXEC));
  if (!named.is_open())
    return fail_errno("create a temporary file in " + directory.string(), errno);
  ::unlink(name.c_str());
  return named;
}

}  // namespace holdfast::repo
