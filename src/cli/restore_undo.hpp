#pragma once
// `restore --undo SNAPSHOT --to mongodb://…`: takes back what a rescue put into a live database.
#include "cli/restore_database.hpp"

namespace holdfast::cli {

Result<int> undo(Session& session, const RestoreDatabaseLine& line);

}  // namespace holdfast::cli
