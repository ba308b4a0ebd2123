#include "dataset/mongo_collection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bson/digest.hpp"
#include "bson/ext_json.hpp"

namespace holdfast::dataset {

namespace {

constexpr std::size_t stem_bytes_max = 238;
constexpr std::size_t stem_bytes_kept = 208;

bool is_plain(char symbol) {
  const bool letter = (symbol >= 'a' && symbol <= 'z') || (symbol >= 'A' && symbol <= 'Z');
  return letter || (symbol >= '0' && symbol <= '9') || symbol == '-' || symbol == '_' ||
         symbol == '.' || symbol == '~';
}

int hex_digit(char symbol) {
  if (symbol >= '0' && symbol <= '9') return symbol - '0';
  if (symbol >= 'A' && symbol <= 'F') return symbol - 'A' + 10;
  if (symbol >= 'a' && symbol <= 'f') return symbol - 'a' + 10;
  return -1;
}

// SHA-1 in base64url without padding: the 27 letters at the end of a long name.
std::string name_hash(std::string_view name) {
  std::string text = to_base64(bson::sha1_of(as_bytes(name)));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  return text;
}

tl::unexpected<Error> wrong_type(std::string_view field) {
  return fail(ErrorCode::malformed, fmt::format("metadata: '{}' has a wrong type", field));
}

Result<void> read_indexes(const bson::Value& value, MongoCollection& collection) {
  if (value.type != bson::Type::array) return wrong_type("indexes");
  for (const bson::Element& element : value.as_document()) {
    if (element.value.type != bson::Type::document) return wrong_type("indexes");
    if (collection.indexes.size() == indexes_max)
      return fail(ErrorCode::limit_exceeded,
                  fmt::format("metadata: more than {} indexes", indexes_max));
    collection.indexes.push_back(to_bytes(element.value.bytes));
  }
  return {};
}

bool is_truthy(const Bytes& options, std::string_view field) {
  if (options.empty()) return false;
  const auto value = bson::Document::trusted(options).find(field);
  if (!value) return false;
  if (value->type == bson::Type::boolean) return value->as_bool();
  const auto number = value->as_integer();
  return value->type == bson::Type::document || (number && *number != 0);
}

// The users of one database are kept under these names, which mongodump does not escape. Only the
// whole name counts: what merely begins so may hold slashes.
bool is_kept_name(std::string_view collection) {
  return collection == "$admin.system.users" || collection == "$admin.system.roles" ||
         collection == "$admin.system.version";
}

}  // namespace

bool MongoCollection::is_capped() const {
  return is_truthy(options, "capped");
}

bool MongoCollection::is_clustered() const {
  return is_truthy(options, "clusteredIndex");
}

std::string metadata_json(const MongoCollection& collection) {
  std::string text = "{";
  constexpr std::size_t empty_document_bytes = 5;
  if (collection.options.size() > empty_document_bytes) {
    text += "\"options\":";
    bson::append_ext_json(bson::Document::trusted(collection.options), bson::JsonForm::canonical,
                          text);
    text += ',';
  }
  text += "\"indexes\":[";
  for (std::size_t at = 0; at < collection.indexes.size(); ++at) {
    if (at != 0) text += ',';
    bson::append_ext_json(bson::Document::trusted(collection.indexes[at]),
                          bson::JsonForm::canonical, text);
  }
  text += ']';
  if (collection.uuid) text += fmt::format(",\"uuid\":\"{}\"", collection.uuid->hex());
  text += ",\"collectionName\":";
  bson::append_json_string(collection.name, text);
  text += ",\"type\":";
  bson::append_json_string(collection.type, text);
  return text + "}";
}

Result<void> read_metadata(std::string_view json, MongoCollection& collection) {
  const Bytes bytes = TRY(bson::parse_ext_json(json));
  for (const bson::Element& element : bson::Document::trusted(bytes)) {
    const bson::Value& value = element.value;
    const bool is_text = value.type == bson::Type::string;
    if (value.type == bson::Type::null) continue;  // some writers give views a null uuid
    if (element.name == "options") {
      if (value.type != bson::Type::document) return wrong_type("options");
      collection.options = to_bytes(value.bytes);
    } else if (element.name == "indexes") {
      TRY(read_indexes(value, collection));
    } else if (element.name == "uuid") {
      if (!is_text) return wrong_type("uuid");
      if (value.as_text().empty()) continue;
      collection.uuid = TRY(oplog::Uuid::parse(value.as_text()));
    } else if (element.name == "collectionName") {
      if (!is_text) return wrong_type("collectionName");
      collection.name = std::string(value.as_text());
    } else if (element.name == "type" && is_text && !value.as_text().empty()) {
      collection.type = std::string(value.as_text());
    }
  }
  return {};
}

std::string file_stem_of(std::string_view collection) {
  if (is_kept_name(collection)) return std::string(collection);
  std::string stem;
  for (const char symbol : collection) {
    if (is_plain(symbol))
      stem += symbol;
    else if (symbol == ' ')
      stem += '+';
    else
      stem += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(symbol)));
  }
  if (stem.size() <= stem_bytes_max) return stem;
  return stem.substr(0, stem_bytes_kept) + "%24" + name_hash(collection);
}

std::string collection_of(std::string_view file_stem) {
  std::string name;
  for (std::size_t at = 0; at < file_stem.size(); ++at) {
    const char symbol = file_stem[at];
    const bool has_digits = symbol == '%' && at + 2 < file_stem.size() &&
                            hex_digit(file_stem[at + 1]) >= 0 && hex_digit(file_stem[at + 2]) >= 0;
    if (has_digits) {
      name += static_cast<char>(hex_digit(file_stem[at + 1]) * 16 + hex_digit(file_stem[at + 2]));
      at += 2;
    } else {
      name += symbol == '+' ? ' ' : symbol;
    }
  }
  return name;
}

bool is_database_name(std::string_view name) {
  constexpr std::size_t database_bytes_max = 63;
  constexpr std::string_view refused("/\\. \"$\0", 7);
  return !name.empty() && name.size() <= database_bytes_max &&
         name.find_first_of(refused) == std::string_view::npos;
}

}  // namespace holdfast::dataset
