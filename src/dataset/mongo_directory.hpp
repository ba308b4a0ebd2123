#pragma once
// The directory form of a dump.
#include "dataset/mongo_dump.hpp"

namespace holdfast::dataset {

Result<std::unique_ptr<DumpReader>> open_dump_directory(const std::filesystem::path& root);

}  // namespace holdfast::dataset
