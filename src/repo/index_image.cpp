#include "repo/index_image.hpp"

#include <sys/stat.h>
#include <xxhash.h>

#include <array>
#include <cerrno>

namespace holdfast::repo {
namespace {

constexpr std::array<char, 8> magic{'h', 'f', 'i', 'n', 'd', 'e', 'x', '2'};

struct Header {
  std::array<char, 8> magic_bytes{};
  std::array<std::uint8_t, 32> repository{};
  std::uint64_t file_bytes = 0;
  std::uint64_t row_count = 0;
  std::uint64_t records_offset = 0;
  std::uint64_t suffixes_offset = 0;
  std::uint64_t packs_offset = 0;
  std::uint64_t pack_count = 0;
  std::uint64_t states_offset = 0;
  std::uint64_t index_files_offset = 0;
  std::uint64_t index_file_count = 0;
  std::uint64_t tables_checksum = 0;
  std::uint64_t rows_checksum = 0;
  std::uint64_t header_checksum = 0;  // of all before it
};
static_assert(sizeof(Header) == 136);
constexpr std::uint64_t records_begin = 144;  // a multiple of 8, for the records' alignment

std::uint64_t checksum_of(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, header_checksum));
}

template <class T>
ByteView bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(T)};
}

// `count` values at `offset`, or nothing when they do not lie inside the file.
template <class T>
std::optional<std::span<const T>> table_in(ByteView file, std::uint64_t offset,
                                           std::uint64_t count) {
  if (offset > file.size() || offset % alignof(T) != 0) return std::nullopt;
  if (count > (file.size() - offset) / sizeof(T)) return std::nullopt;
  return std::span<const T>(reinterpret_cast<const T*>(file.data() + offset), count);
}

tl::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorCode::corrupt, "index cache: " + std::string(what));
}

Result<Header> read_header(ByteView file, const RepositoryId& repository) {
  Header header;
  if (file.size() < records_begin) return damaged("cut short");
  std::memcpy(&header, file.data(), sizeof header);
  if (header.magic_bytes != magic) return damaged("not an index cache of this version");
  if (header.header_checksum != checksum_of(header)) return damaged("damaged header");
  if (header.file_bytes != file.size()) return damaged("wrong length");
  if (header.repository != repository.bytes) return damaged("of another repository");
  return header;
}

}  // namespace

IndexImageWriter::IndexImageWriter(const Fd& file, const RepositoryId& repository,
                                   std::uint64_t rows_max)
    : file_(file),
      repository_(repository),
      suffixes_offset_(records_begin + rows_max * sizeof(IndexRecord)),
      rows_(file, records_begin, suffixes_offset_) {}

Result<void> IndexImageWriter::finish(const IndexTables& tables) {
  TRY(rows_.flush());
  const auto count = rows_.count();
  Header header;
  header.magic_bytes = magic;
  header.repository = repository_.bytes;
  header.row_count = count;
  header.records_offset = records_begin;
  header.suffixes_offset = suffixes_offset_;
  header.packs_offset = suffixes_offset_ + count * sizeof(IdSuffix);
  header.pack_count = tables.packs.size();
  header.states_offset = header.packs_offset + bytes_of(tables.packs).size();
  header.index_files_offset = header.states_offset + bytes_of(tables.states).size();
  header.index_file_count = tables.index_files.size();
  header.file_bytes = header.index_files_offset + bytes_of(tables.index_files).size();

  Bytes tail = to_bytes(bytes_of(tables.packs));
  append(tail, bytes_of(tables.states));
  append(tail, bytes_of(tables.index_files));
  header.tables_checksum = XXH3_64bits(tail.data(), tail.size());
  header.rows_checksum = rows_.checksum();
  header.header_checksum = checksum_of(header);

  TRY(write_all_at(file_.get(), tail, header.packs_offset));
  std::array<std::uint8_t, records_begin> front{};
  std::memcpy(front.data(), &header, sizeof header);
  return write_all_at(file_.get(), front, 0);
}

Result<LoadedIndex> map_index_image(Fd file, const RepositoryId& repository) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail_errno("stat the index cache", errno);
  LoadedIndex loaded;
  loaded.mapping = TRY(Mapping::make(file, static_cast<std::uint64_t>(status.st_size)));
  const auto view = loaded.mapping.view();
  const auto header = TRY(read_header(view, repository));

  const auto records = table_in<IndexRecord>(view, header.records_offset, header.row_count);
  const auto suffixes = table_in<IdSuffix>(view, header.suffixes_offset, header.row_count);
  const auto packs = table_in<PackId>(view, header.packs_offset, header.pack_count);
  const auto states = table_in<PackState>(view, header.states_offset, header.pack_count);
  const auto files = table_in<IndexId>(view, header.index_files_offset, header.index_file_count);
  if (!records || !suffixes || !packs || !states || !files)
    return damaged("tables outside of the file");
  const auto tail = view.subspan(header.packs_offset);
  if (XXH3_64bits(tail.data(), tail.size()) != header.tables_checksum)
    return damaged("damaged tables");
  if (header.row_count * (sizeof(IndexRecord) + sizeof(IdSuffix)) <= index_checked_bytes_max &&
      rows_checksum(*records, *suffixes) != header.rows_checksum)
    return damaged("damaged rows");

  loaded.run = IndexRun(*records, *suffixes, file, header.suffixes_offset);
  loaded.run.drop_suffixes(0, header.row_count);
  loaded.file = std::move(file);
  loaded.packs = *packs;
  loaded.states = *states;
  loaded.index_files = *files;
  return loaded;
}

}  // namespace holdfast::repo
