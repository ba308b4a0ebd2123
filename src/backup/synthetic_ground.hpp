#pragma once
// What a synthetic full is made from: the newest base, the recorded oplog after it, and the moment.
#include "catalog/mongo_points.hpp"

namespace holdfast::backup {

struct SyntheticGround {
  catalog::MongoBase base;
  // Null: nothing is recorded behind the base.
  const oplog::Chain* chain = nullptr;  // of the points
  oplog::Timestamp at;                  // the newest with no transaction in doubt
  bool is_later() const {
    return chain != nullptr &&
           (at > base.window.last ||
            (at == base.window.last && base.window.kind == oplog::BaseKind::fuzzy));
  }
};

// Errors: no_point (no base with a window), history_lost (a gap), those of reading entries.
Result<SyntheticGround> find_ground(catalog::MongoPoints& points, oplog::SpillStore& spill,
                                    const oplog::EntryRules& rules);

}  // namespace holdfast::backup
