#pragma once
// Which fields an update changes, without the values: updates of one statement have one shape.
#include <string>

#include "bson/view.hpp"
#include "oplog/update.hpp"

namespace holdfast::oplog {

// Equal for updates that treat the same fields in the same way; positions in arrays do not count.
// 0 for replacements. REQUIRES: `o` was checked (UpdateCheck).
std::uint64_t shape_hash(UpdateKind kind, bson::Document o);

// "set price, stock; unset old"; cut at about 200 bytes. Empty for replacements.
std::string shape_text(UpdateKind kind, bson::Document o);

}  // namespace holdfast::oplog
