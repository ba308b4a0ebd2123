#pragma once
// Temporary space on disk that vanishes by itself: files without a name, freed when closed, also
// after a crash.
#include <filesystem>

#include "base/file.hpp"

namespace holdfast::dataset {

// An unnamed file in `directory`. Errors: those of the file system.
Result<Fd> make_temp_file(const std::filesystem::path& directory);

}  // namespace holdfast::dataset
