#pragma once
// What a base holds, for programs: import and backup tell it the same way.
#include <nlohmann/json_fwd.hpp>

#include "backup/import_mongo.hpp"

namespace holdfast::cli {

nlohmann::ordered_json collection_as_json(const backup::ImportedCollection& collection);

}  // namespace holdfast::cli
