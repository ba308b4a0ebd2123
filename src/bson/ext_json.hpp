#pragma once
// MongoDB Extended JSON version 2: documents as text and back. The canonical form keeps every BSON
// type and is what mongodump writes into metadata.json; the relaxed form is for reading by people.
// Both are accepted on input. Pure; any thread.
//
// Text can not carry all of BSON: bytes that are not UTF-8 come out as U+FFFD, NaN payloads and
// non-canonical decimals lose their encoding, and a field named like a wrapper ("$oid") is
// ambiguous. Keep raw BSON where bytes matter.
#include <string>
#include <string_view>

#include "bson/view.hpp"

namespace holdfast::bson {

constexpr std::size_t json_bytes_max = 64 * 1024 * 1024;

enum class JsonForm : std::uint8_t { canonical, relaxed };

// REQUIRES: validated documents. No white space is written; appends.
void append_ext_json(Document document, JsonForm form, std::string& to);
void append_ext_json(const Value& value, JsonForm form, std::string& to);
std::string to_ext_json(Document document, JsonForm form = JsonForm::canonical);
std::string to_ext_json(const Value& value, JsonForm form = JsonForm::canonical);

// A quoted and escaped JSON string.
void append_json_string(std::string_view text, std::string& to);

// Strict: one JSON object and nothing behind it; errors name the offset. Plain integers become
// int32, int64 or double, whichever is the first to hold them. Nesting up to depth_max, result up
// to bytes_max.
Result<Bytes> parse_ext_json(std::string_view text, std::size_t bytes_max = document_bytes_max);
// Any JSON value, as the only element (named "") of a document.
Result<Bytes> parse_ext_json_value(std::string_view text);

}  // namespace holdfast::bson
