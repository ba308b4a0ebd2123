#pragma once
// How moments of a database's history look to a program.
#include <nlohmann/json_fwd.hpp>
#include "oplog/order.hpp"

namespace holdfast::cli {

// {"at": "1795474010,533", "time": "2026-11-23T22:46:50Z"}
nlohmann::ordered_json moment_as_json(oplog::Timestamp moment);

}  // namespace holdfast::cli
