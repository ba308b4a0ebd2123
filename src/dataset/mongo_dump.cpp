#include "dataset/mongo_dump.hpp"

#include <fmt/format.h>

#include "dataset/mongo_archive.hpp"
#include "dataset/mongo_directory.hpp"

namespace holdfast::dataset {

bool is_node_local(std::string_view db, std::string_view collection) {
  if (db == "local" || collection == "system.profile" || collection == "system.indexes")
    return true;
  if (db != "config") return false;
  return collection == "transactions" || collection == "image_collection" ||
         collection == "system.preimages" || collection.starts_with("changes.");
}

Result<std::unique_ptr<DumpReader>> open_dump(const std::filesystem::path& path,
                                              const std::filesystem::path& temp_directory) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return open_dump_directory(path);
  return open_dump_archive(path, temp_directory);
}

}  // namespace holdfast::dataset
