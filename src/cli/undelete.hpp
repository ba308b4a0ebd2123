#pragma once
// `restore --missing-only` and `--changed-only`: single documents back into a live database.
#include "cli/restore_database.hpp"
#include "recover/moment_stream.hpp"

namespace holdfast::cli {

Result<recover::MomentRequest> moment_request_of(const RestoreDatabaseLine& line);
Result<int> put_back_lost(Session& session, const RestoreDatabaseLine& line);

}  // namespace holdfast::cli
