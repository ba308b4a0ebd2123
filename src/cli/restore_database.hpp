#pragma once
// `restore --dataset NAME --at T --to mongodb://…`: a database, or what was lost of it, back onto a
// server; and `restore --undo SNAPSHOT`, which takes such a rescue back.
#include "cli/mongo_server.hpp"

namespace holdfast::cli {

struct RestoreDatabaseLine {
  std::string dataset;
  std::string at = "last";
  std::vector<std::string> only;
  std::vector<std::string> renames;
  UriSource uri;
  std::string memory = "512M";
  std::string confirm;
  std::vector<std::string> ids;
  std::string filter;
  std::string undo;
  unsigned connections = 4;
  bool missing_only = false;
  bool changed_only = false;
  bool in_place = false;
  bool preview = false;
  bool no_users = false;

  bool is_meant() const { return !dataset.empty() || !undo.empty(); }
};

// Error usage for a target that is a server (its password masked) when no dataset is named: files
// would go into a directory of that name. Says of which dataset `snapshot` is, if it is of one.
Result<void> refuse_server_for_files(Session& session, const std::string& to,
                                     const std::string& snapshot);

void add_restore_database_options(CLI::App* verb, RestoreDatabaseLine& line);
Result<int> restore_database(Session& session, const RestoreDatabaseLine& line);

}  // namespace holdfast::cli
