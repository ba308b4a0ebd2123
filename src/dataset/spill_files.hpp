#pragma once
// Temporary space for sorting (oplog/spill.hpp) in files without a name (temp_file.hpp).
#include <filesystem>

#include "base/file.hpp"
#include "oplog/spill.hpp"

namespace holdfast::dataset {

// One thread. Runs may outlive the store.
class SpillFiles final : public oplog::SpillStore {
 public:
  // REQUIRES: `directory` exists and is writable; checked by the first create().
  explicit SpillFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<std::unique_ptr<oplog::SpillRun>> create() override;

 private:
  std::filesystem::path directory_;
};

}  // namespace holdfast::dataset
