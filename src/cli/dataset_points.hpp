#pragma once
// `points --dataset NAME`: which moments of one database can be recovered, and where history is
// missing.
#include "cli/session.hpp"

namespace holdfast::cli {

Result<int> dataset_points(Session& session, const std::string& dataset);

}  // namespace holdfast::cli
