#pragma once
// One command on its way into the catalog: what the handlers share.
#include "oplog/catalog.hpp"

namespace holdfast::oplog {

struct Catalog::Change {
  const Entry& entry;
  OrderKey order;
  Strictness strictness;

  bool is_strict() const { return strictness == Strictness::strict; }
  std::string_view database() const { return database_of(entry.ns); }
  bson::Element first() const { return *entry.o.begin(); }
};

}  // namespace holdfast::oplog
