#pragma once
// Writing what mongorestore reads: a directory as mongodump makes it, or an archive.
#include <memory>

#include "dataset/mongo_dump.hpp"

namespace holdfast::dataset {

enum class DumpForm : std::uint8_t { directory, archive };

struct DumpTarget {
  std::filesystem::path path;
  DumpForm form = DumpForm::directory;
  Packing packing = Packing::plain;
};

// "x.archive" and "x.archive.gz" are archives, all else is a directory.
DumpTarget target_of(const std::filesystem::path& path);

// One thread. Everything goes to `<path>.holdfast-partial` beside the target; finish() makes it
// durable and renames it, so a half-written dump never has the name of a whole one. Dropped without
// finish(), the partial dump is removed.
class DumpWriter {
 public:
  virtual ~DumpWriter() = default;
  // A collection's documents come between begin() and end(); a view has none.
  virtual Result<void> begin(const MongoCollection& collection) = 0;
  virtual Result<void> document(ByteView document) = 0;
  virtual Result<void> end() = 0;
  virtual Result<void> finish() = 0;
};

// Refuses (exists) a directory that is not empty and an archive that is there.
Result<std::unique_ptr<DumpWriter>> make_dump_writer(const DumpTarget& target,
                                                     std::string server_version);

}  // namespace holdfast::dataset
