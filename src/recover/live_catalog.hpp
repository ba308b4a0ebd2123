#pragma once
// What a live server has: databases, collections and their indexes, asked anew.
#include <string>
#include <vector>

#include "mongo/connection.hpp"
#include "oplog/order.hpp"

namespace holdfast::recover {

// Plain value.
struct LiveCollection {
  std::string db;
  std::string name;
  std::string type;  // collection, view, timeseries
  Bytes options;     // BSON document; {} if none
  std::optional<oplog::Uuid> uuid;

  std::string ns() const { return db + "." + name; }
};

constexpr std::size_t live_collections_max = 1'000'000;

// Errors of all: those of mongo::Connection::run_ok.
Result<std::vector<std::string>> list_databases(mongo::Connection& connection);
// Ascending by name; none if there is no such database.
Result<std::vector<LiveCollection>> list_collections(mongo::Connection& connection,
                                                     const std::string& db);
// Nothing: it is not there.
Result<std::optional<LiveCollection>> find_collection(mongo::Connection& connection,
                                                      const std::string& db,
                                                      const std::string& name);
// Specs as the server gives them, without keys that only one product adds; none if there is no such
// collection.
Result<std::vector<Bytes>> list_indexes(mongo::Connection& connection, const std::string& db,
                                        const std::string& collection);
Result<std::uint64_t> count_documents(mongo::Connection& connection, const std::string& db,
                                      const std::string& collection);
Result<bool> is_empty(mongo::Connection& connection, const std::string& db,
                      const std::string& collection);

// Databases and collections that are nobody's data: `local`, `config`, our own notes.
bool is_system_database(std::string_view db);
constexpr std::string_view notes_database = "holdfast_restore";

// A text of a document that a server gave; empty: it has none of that name.
std::string text_of(bson::Document document, std::string_view name);

// Sentences about options and indexes that were asked for and that the server has not, and the
// reverse for indexes. `ns` of old specs, `v`, and defaults do not count.
std::vector<std::string> describe_options(ByteView wanted, ByteView found);
// The reverse for options: those that the server has, and nobody asked for.
std::vector<std::string> describe_added_options(ByteView wanted, ByteView found);
std::vector<std::string> describe_indexes(const std::vector<Bytes>& wanted,
                                          const std::vector<Bytes>& found);

}  // namespace holdfast::recover
