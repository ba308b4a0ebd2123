// Archives of mongodump, plain or gzip: every collection and its documents can be read, or an error
// says where the archive is broken.
#include <sys/mman.h>

#include "base/check.hpp"
#include "dataset/mongo_archive.hpp"

using namespace holdfast;
using namespace holdfast::dataset;

namespace {

std::uint64_t count_documents(Result<std::unique_ptr<DocumentStream>> stream) {
  std::uint64_t count = 0;
  if (!stream.has_value()) return count;
  for (;;) {
    const auto document = (*stream)->next();
    if (!document.has_value() || !*document) return count;
    CHECK(bson::Document::validate(**document).has_value());
    ++count;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const Fd file(::memfd_create("archive", 0));
  CHECK(write_all(file.get(), {bytes, size}).has_value());
  const std::filesystem::path path = "/proc/self/fd/" + std::to_string(file.get());
  static_cast<void>(find_archive(path));
  const auto dump = open_dump_archive(path, std::filesystem::temp_directory_path());
  if (!dump.has_value()) {
    CHECK(!dump.error().message.empty());
    return 0;
  }
  for (const auto& collection : (*dump)->collections()) {
    if (!collection.has_documents) continue;
    const auto count = count_documents((*dump)->documents(collection));
    CHECK(count == count_documents((*dump)->documents(collection)));
  }
  if ((*dump)->facts().has_oplog) count_documents((*dump)->oplog());
  return 0;
}
