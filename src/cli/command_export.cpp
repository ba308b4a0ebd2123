#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/output.hpp"
#include "recover/export_mongo.hpp"

namespace holdfast::cli {
namespace {

struct ExportLine {
  recover::MongoExportOptions mongo;
  std::string to;
  std::string memory = "512M";
  bool gzip = false;
  bool archive = false;
  bool keep_temporary = false;
  bool assume_aborted = false;
  bool no_view_catalog = false;
};

Result<recover::MongoExportOptions> options_of(const ExportLine& line) {
  auto options = line.mongo;
  options.target = dataset::target_of(line.to);
  if (line.archive) options.target.form = dataset::DumpForm::archive;
  if (line.gzip) options.target.packing = dataset::Packing::gzip;
  options.memory_bytes_max = TRY(parse_size(line.memory));
  options.temp_directory = temp_directory();
  if (line.keep_temporary) options.temporaries = recover::Temporaries::keep;
  if (line.assume_aborted) options.in_doubt = oplog::InDoubt::treat_as_not_committed;
  if (line.no_view_catalog) options.view_catalog = recover::ViewCatalog::leave_out;
  return options;
}

nlohmann::ordered_json as_json(const recover::MongoExportResult& result, const ExportLine& line) {
  auto collections = nlohmann::ordered_json::array();
  for (const auto& collection : result.collections)
    collections.push_back({{"ns", collection.ns},
                           {"target_ns", collection.target_ns},
                           {"kind", collection.type},
                           {"count", collection.count},
                           {"bytes", collection.bytes},
                           {"digest", collection.digest.hex()},
                           {"trimmed", collection.trimmed_count},
                           {"approximate_tail", collection.is_approximate_tail}});
  nlohmann::ordered_json document{{"dataset", line.mongo.dataset},
                                  {"to", line.to},
                                  {"base", result.base.hex()},
                                  {"moment", result.moment},
                                  {"collections", collections},
                                  {"left_out", result.left_out},
                                  {"documents", result.document_count()},
                                  {"notes", result.notes}};
  if (result.at) document["at"] = moment_as_json(*result.at);
  if (result.computed) {
    document["entries_read"] = result.computed->entry_count;
    document["effects"] = result.computed->effect_count;
    document["spilled_bytes"] = result.computed->spilled_bytes;
    document["transactions_in_doubt"] = result.computed->transactions_in_doubt;
  }
  return document;
}

void print_text(const recover::MongoExportResult& result, const ExportLine& line) {
  print(fmt::format("{} as of {}  written to {}\n", line.mongo.dataset, result.moment, line.to));
  Table table({"NAMESPACE", "KIND", "DOCUMENTS", "SIZE", "DIGEST"});
  for (const auto& collection : result.collections) {
    const auto name = collection.ns == collection.target_ns
                          ? collection.ns
                          : collection.ns + " -> " + collection.target_ns;
    table.add({name, collection.type, std::to_string(collection.count),
               format_bytes(collection.bytes), collection.digest.hex().substr(0, 16)});
  }
  print(table.text());
  for (const auto& ns : result.left_out)
    print(fmt::format("left out: {} is half-done work of the server (--keep-temporary)\n", ns));
}

Result<int> run_export(Session& session, const ExportLine& line) {
  const auto options = TRY(options_of(line));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "export"));
  const auto result = TRY(recover::export_mongo(*repository, options));
  for (const auto& note : result.notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json)
    print_json("export", as_json(result, line));
  else
    print_text(result, line);
  return 0;
}

void add_emergency_options(CLI::App* verb, ExportLine& line) {
  verb->add_flag("--assume-aborted", line.assume_aborted,
                 "take transactions that are in doubt at the moment as not committed");
  verb->add_option("--allow-envelope-field", line.mongo.rules.allowed_fields,
                   "accept oplog entries with this unknown field (repeatable)");
  verb->add_option("--assume-noop-command", line.mongo.rules.assumed_noop_commands,
                   "take this unknown command as one that changes nothing (repeatable)");
}

}  // namespace

void add_export(CommandLine& line) {
  auto given = std::make_shared<ExportLine>();
  auto* verb = line.app.add_subcommand(
      "export", "write a database as it was at a moment, as a dump for mongorestore");
  verb->add_option("--dataset", given->mongo.dataset, "name given at import")->required();
  verb->add_option("--at", given->mongo.at,
                   "SECONDS,ORDINAL (that entry included), a time (all of that second "
                   "included), or last")
      ->capture_default_str();
  verb->add_option("--snapshot", given->mongo.snapshot, "this base as it was dumped, no moment");
  verb->add_option("--to", given->to, "new directory, or FILE.archive[.gz]")->required();
  verb->add_flag("--gzip", given->gzip, "compress the files of the dump");
  verb->add_flag("--archive", given->archive, "an archive, whatever the name ends with");
  verb->add_option("--only", given->mongo.only, "database or database.collection (repeatable)");
  verb->add_option("--rename", given->mongo.renames, "A=B, databases or namespaces (repeatable)");
  verb->add_option("--memory", given->memory, "bound; more is spilled to disk")
      ->capture_default_str();
  verb->add_flag("--keep-temporary", given->keep_temporary, "write temporary collections too");
  verb->add_flag("--no-view-catalog", given->no_view_catalog,
                 "never write system.views as a file of its own");
  add_emergency_options(verb, *given);
  line.choose(verb, [given](Session& session) { return run_export(session, *given); });
}

}  // namespace holdfast::cli
