#pragma once
// Who a snapshot or an import made by this process says it is from.
#include "backup/backup_files.hpp"
#include "cli/version.hpp"

namespace holdfast::cli {

catalog::SnapshotAuthor snapshot_author();

}  // namespace holdfast::cli
