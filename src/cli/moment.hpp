#pragma once
// How moments of a database's history look to a person and to a program.
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "oplog/order.hpp"

namespace holdfast::cli {

// "1795474010,533 (2026-11-23T22:46:50Z)"
std::string describe_moment(oplog::Timestamp moment);
// {"at": "1795474010,533", "time": "2026-11-23T22:46:50Z"}
nlohmann::json moment_as_json(oplog::Timestamp moment);

}  // namespace holdfast::cli
