#pragma once
// The archive form of a dump (docs/mongodump_format.md): magic, header, one document per
// collection, then segments of documents of different collections interleaved, each collection
// ending with a CRC-64.
#include "dataset/mongo_dump.hpp"

namespace holdfast::dataset {

constexpr std::uint32_t archive_magic = 0x8199E26D;
constexpr std::uint32_t archive_terminator = 0xFFFFFFFF;
constexpr std::string_view archive_version = "0.1";

// Reads all of it: segments are sorted apart into one unnamed file in `temp_directory` and every
// checksum is compared. Memory: the metadata of the collections.
Result<std::unique_ptr<DumpReader>> open_dump_archive(const std::filesystem::path& path,
                                                      const std::filesystem::path& temp_directory);

// Whether the file begins like an archive, also inside gzip; in which packing.
Result<std::optional<Packing>> find_archive(const std::filesystem::path& path);

}  // namespace holdfast::dataset
