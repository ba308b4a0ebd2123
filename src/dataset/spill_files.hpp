#pragma once
// Temporary space for sorting more than memory holds: unnamed files in one directory.
#include "dataset/temp_file.hpp"
#include "oplog/spill.hpp"

namespace holdfast::dataset {

// One thread. Each run is a file of its own, written through a buffer.
class SpillFiles final : public oplog::SpillStore {
 public:
  explicit SpillFiles(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<std::unique_ptr<oplog::SpillRun>> create() override;

 private:
  std::filesystem::path directory_;
};

}  // namespace holdfast::dataset
