#pragma once
// Servers whose listings tell no UUIDs (mongo-java-server) log one and the same `ui` for all
// collections. The engine follows collections by UUID: for such servers each namespace gets one of
// its own, the same in the catalog and in every entry that is read. Pure but for asking.
#include "mongo/connection.hpp"
#include "oplog/order.hpp"

namespace holdfast::dataset {

// Version 5 in form: made of the SHA-1 of the namespace.
oplog::Uuid uuid_of_namespace(std::string_view ns);

// Whether listCollections tells the UUID of local.oplog.rs; true if it can not be asked. Errors:
// those of Connection::run.
Result<bool> tells_uuids(mongo::Connection& connection);

// Puts the UUID of its namespace into the `ui` of a validated entry, if it has one; nothing else
// changes. Of commands only `drop` is about one collection.
void set_namespace_uuid(Bytes& entry);

}  // namespace holdfast::dataset
