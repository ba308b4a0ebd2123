#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "backup/import_mongo.hpp"
#include "catalog/mongo_moment.hpp"
#include "cli/author.hpp"
#include "cli/base_json.hpp"
#include "cli/command.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/output.hpp"

namespace holdfast::cli {
namespace {

nlohmann::ordered_json as_json(const dataset::IntakeReport& oplog) {
  return {{"entries", oplog.entry_count},
          {"entries_known", oplog.known_count},
          {"entries_new", oplog.new_count},
          {"segments_new", oplog.new_segment_count},
          {"gaps", oplog.gaps}};
}

nlohmann::ordered_json as_json(const std::string& dataset,
                               const backup::MongoImportResult& result) {
  auto collections = nlohmann::ordered_json::array();
  for (const auto& collection : result.collections)
    collections.push_back(collection_as_json(collection));
  nlohmann::ordered_json document{{"dataset", dataset},
                                  {"collections", collections},
                                  {"data_added", result.summary.data_added},
                                  {"data_added_packed", result.summary.data_added_packed},
                                  {"notes", result.notes}};
  if (result.snapshot) document["snapshot_id"] = result.snapshot->hex();
  if (result.oplog) document["oplog"] = as_json(*result.oplog);
  if (result.recoverable_from)
    document["recoverable_from"] = moment_as_json(*result.recoverable_from);
  if (result.recoverable_to) document["recoverable_to"] = moment_as_json(*result.recoverable_to);
  return document;
}

void print_text(const std::string& dataset, const backup::MongoImportResult& result) {
  std::uint64_t documents = 0;
  for (const auto& collection : result.collections) documents += collection.count;
  if (result.snapshot)
    print(fmt::format("{}  snapshot {}  {} collections, {} documents  {} added ({} stored)\n",
                      dataset, result.snapshot->short_hex(), result.collections.size(), documents,
                      format_bytes(result.summary.data_added),
                      format_bytes(result.summary.data_added_packed)));
  if (result.oplog)
    print(fmt::format("oplog  {} entries, {} new in {} segments\n", result.oplog->entry_count,
                      result.oplog->new_count, result.oplog->new_segment_count));
  if (result.recoverable_from && result.recoverable_to)
    print(fmt::format("recoverable  every moment from {} to {}\n",
                      catalog::describe(*result.recoverable_from),
                      catalog::describe(*result.recoverable_to)));
  else if (result.snapshot && !result.window)
    print("recoverable  as it was dumped; the dump has no time in the oplog\n");
}

Result<int> run_import(Session& session, const backup::MongoImportOptions& given) {
  auto options = given;
  options.author = snapshot_author();
  options.temp_directory = temp_directory();
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "import"));
  const auto result = TRY(backup::import_mongo(*repository, options));

  auto& log = session.context().log;
  for (const auto& note : result.notes) log.note(note);
  if (result.oplog)
    for (const auto& gap : result.oplog->gaps) log.warn(gap);
  if (session.format() == OutputFormat::json)
    print_json("import", as_json(options.dataset, result));
  else
    print_text(options.dataset, result);
  return 0;
}

}  // namespace

void add_import(CommandLine& line) {
  auto options = std::make_shared<backup::MongoImportOptions>();
  auto* verb =
      line.app.add_subcommand("import", "take in a dump of a MongoDB database, and its oplog");
  verb->add_option("DUMP", options->dump, "mongodump directory or archive, plain or gzip")
      ->required();
  verb->add_option("--dataset", options->dataset, "name of the database in this repository")
      ->required();
  verb->add_option("--oplog", options->oplog, "file of oplog entries, plain or gzip");
  verb->add_option("--tag", options->tags, "tag of the snapshot (repeatable)");
  line.choose(verb, [options](Session& session) { return run_import(session, *options); });
}

}  // namespace holdfast::cli
