#pragma once
// Edits of options documents and index specs: one member set in place, added, or removed.
#include <optional>

#include "bson/view.hpp"

namespace holdfast::oplog {

// Collection options: a new member goes where the server writes it.
Bytes with_option(ByteView options, std::string_view name, const std::optional<bson::Value>& value);

// Index specs and other documents: a new member goes to the end.
Bytes with_member(ByteView document, std::string_view name,
                  const std::optional<bson::Value>& value);

// Without the first member, and without those named.
Bytes tail_without(bson::Document document, std::string_view name);

}  // namespace holdfast::oplog
