#pragma once
// The two halves of `browse`: files of snapshots, and documents of databases.
#include "cli/command.hpp"

namespace holdfast::cli {

void add_browse_files(CommandLine& line, CLI::App* browse);
void add_browse_documents(CommandLine& line, CLI::App* browse);

// `browse versions PATH`: the states of one path over all snapshots.
Result<int> file_versions(Session& session, const std::string& path);

}  // namespace holdfast::cli
