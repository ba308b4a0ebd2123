#include "dataset/namespace_uuid.hpp"

#include <algorithm>

#include "bson/builder.hpp"
#include "bson/digest.hpp"
#include "oplog/facts.hpp"

namespace holdfast::dataset {

namespace {

std::optional<std::string_view> text_in(bson::Document document, std::string_view name) {
  const auto value = document.find(name);
  if (!value || value->type != bson::Type::string) return std::nullopt;
  return value->as_text();
}

// The collection that an entry is about.
std::optional<std::string> namespace_of(bson::Document entry) {
  const auto ns = text_in(entry, "ns");
  const auto op = text_in(entry, "op");
  if (!ns || !op) return std::nullopt;
  if (*op != "c") return std::string(*ns);
  const auto command = entry.find("o");
  if (!command || command->type != bson::Type::document) return std::nullopt;
  const auto dropped = text_in(command->as_document(), "drop");
  if (!dropped) return std::nullopt;
  return std::string(oplog::database_of(*ns)) + "." + std::string(*dropped);
}

std::optional<bson::Document> path(bson::Document document, std::string_view first,
                                   std::string_view second, bson::Type type) {
  const auto outer = document.find(first);
  if (!outer || outer->type != bson::Type::document) return std::nullopt;
  const auto inner = outer->as_document().find(second);
  if (!inner || inner->type != type) return std::nullopt;
  return inner->as_document();
}

}  // namespace

oplog::Uuid uuid_of_namespace(std::string_view ns) {
  const auto hash = bson::sha1_of(as_bytes(ns));
  oplog::Uuid uuid;
  std::copy_n(hash.begin(), uuid.bytes.size(), uuid.bytes.begin());
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0F) | 0x50);
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);
  return uuid;
}

Result<bool> tells_uuids(mongo::Connection& connection) {
  bson::Builder command;
  command.append_int32("listCollections", 1);
  command.begin_document("filter");
  command.append_text("name", "oplog.rs");
  command.end();
  const mongo::Reply reply = TRY(connection.run("local", command.finish()));
  if (!reply.is_ok) return true;
  const auto batch = path(reply.body(), "cursor", "firstBatch", bson::Type::array);
  if (!batch) return true;
  for (const auto& element : *batch) {
    if (element.value.type != bson::Type::document) continue;
    const bson::Document listed = element.value.as_document();
    if (text_in(listed, "name") != "oplog.rs") continue;
    return path(listed, "info", "uuid", bson::Type::binary).has_value();
  }
  return true;
}

void set_namespace_uuid(Bytes& entry) {
  const bson::Document document = bson::Document::trusted(entry);
  const auto ui = document.find("ui");
  const auto ns = namespace_of(document);
  if (!ui || !ns || !oplog::Uuid::from_value(*ui).has_value()) return;
  const oplog::Uuid uuid = uuid_of_namespace(*ns);
  // Of a binary: length, subtype, content.
  const auto offset = static_cast<std::size_t>(ui->bytes.data() - entry.data()) + 5;
  std::copy(uuid.bytes.begin(), uuid.bytes.end(), entry.data() + offset);
}

}  // namespace holdfast::dataset
