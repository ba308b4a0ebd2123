#include "cli/base_json.hpp"

#include <nlohmann/json.hpp>

namespace holdfast::cli {

nlohmann::ordered_json collection_as_json(const backup::ImportedCollection& collection) {
  return {{"ns", collection.ns},
          {"kind", collection.type},
          {"count", collection.count},
          {"bytes", collection.bytes},
          {"chunks", collection.chunk_count},
          {"chunks_new", collection.chunk_new_count},
          {"digest", collection.digest.hex()}};
}

}  // namespace holdfast::cli
