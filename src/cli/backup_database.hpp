#pragma once
// `backup --dataset NAME mongodb://…`: the next base of a running database.
#include "backup/next_base.hpp"
#include "cli/mongo_server.hpp"

namespace holdfast::cli {

struct BackupDatabaseLine {
  std::string dataset;
  UriSource uri;
  std::string max_rate;
  std::string lag_max;
  std::uint32_t max_load = 0;
  std::size_t connections = 4;
  unsigned full_every_days = 30;
  bool change_streams = false;
  bool is_new_base_wanted = false;
  bool is_other_server_accepted = false;
};

void add_backup_database_options(CLI::App* verb, BackupDatabaseLine& line);

// Of the options that files and databases share.
struct BackupDatabaseCommon {
  std::vector<std::string> tags;
  repo::WriterOptions writer{};
  bool is_full = false;
};

Result<backup::NextBaseOptions> next_base_options(const BackupDatabaseLine& line,
                                                  const BackupDatabaseCommon& common);
Result<int> backup_database(Session& session, const BackupDatabaseLine& line,
                            const BackupDatabaseCommon& common);
// --dry-run: reaches the server, checks the grants, prints what backup_database would begin with.
Result<int> plan_backup_database(Session& session, const BackupDatabaseLine& line,
                                 const BackupDatabaseCommon& common);

// One sentence about a base that was taken, for a person.
std::string describe(const backup::NextBaseResult& result);

}  // namespace holdfast::cli
