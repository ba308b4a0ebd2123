#pragma once
// The oplog of a replica set, read from one of its members (docs/oplog_format.md 7.1).
#include <memory>

#include "dataset/oplog_source.hpp"
#include "mongo/deployment.hpp"

namespace holdfast::dataset {

struct LiveOplogOptions {
  mongo::ReadFrom read_from = mongo::ReadFrom::secondary_preferred;
  // Between two reads of a server whose cursors do not stay open.
  std::chrono::milliseconds poll_interval{250};
};

// Chooses a member at the first call; the Deployment and the Context must outlive it. Errors:
// unsupported for a server that is no member of a replica set or has an empty oplog, and for a
// router.
Result<std::unique_ptr<OplogSource>> open_live_oplog(mongo::Deployment& deployment,
                                                     Context& context,
                                                     const LiveOplogOptions& options = {});

}  // namespace holdfast::dataset
