// browse versions, query: single documents of a database through time.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "bson/ext_json.hpp"
#include "catalog/mongo_moment.hpp"
#include "cli/browse.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/output.hpp"
#include "recover/browse_mongo.hpp"

namespace holdfast::cli {
namespace {

struct DocumentLine {
  std::vector<std::string> words;  // DB COLLECTION ID, or one PATH
  std::string db, collection;
  std::optional<std::string> dataset;
  recover::DocumentQuery query;
};

// The only database in the repository, or the one called like `db`.
Result<std::string> dataset_for(const repo::Repository& repository, const DocumentLine& line,
                                const std::string& db) {
  if (line.dataset) return *line.dataset;
  constexpr std::string_view prefix = "dataset=";
  std::vector<std::string> names;
  const auto snapshots = TRY(repository.snapshots());
  for (const auto& stored : snapshots)
    for (const auto& tag : stored.snapshot.tags)
      if (tag.starts_with(prefix)) names.push_back(tag.substr(prefix.size()));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() == 1) return names.front();
  if (std::find(names.begin(), names.end(), db) != names.end()) return db;
  if (names.empty()) return fail(ErrorCode::not_found, "no database was imported here");
  return fail(ErrorCode::usage,
              fmt::format("several databases are here, name one with --dataset: {}",
                          fmt::join(names, ", ")));
}

nlohmann::ordered_json document_as_json(const std::optional<Bytes>& document) {
  if (!document) return nullptr;
  return nlohmann::ordered_json::parse(bson::to_ext_json(bson::Document::trusted(*document)),
                                       nullptr, false);
}

std::string text_of(const std::optional<Bytes>& document) {
  if (!document) return "deleted";
  return bson::to_ext_json(bson::Document::trusted(*document));
}

std::string wall_time_of(std::int64_t wall_ms) {
  if (wall_ms == 0) return "";
  const std::int64_t seconds = wall_ms / 1000 - (wall_ms % 1000 < 0 ? 1 : 0);
  const auto rest = static_cast<std::uint32_t>(wall_ms - seconds * 1000);
  return format_time(seconds, rest * 1'000'000);
}

void print_versions(Session& session, const DocumentLine& line,
                    const std::vector<recover::FoundVersion>& versions) {
  if (session.format() == OutputFormat::json) {
    auto rows = nlohmann::ordered_json::array();
    for (const auto& found : versions)
      rows.push_back({{"at", moment_as_json(found.version.order.effective)},
                      {"wall", wall_time_of(found.version.wall_ms)},
                      {"kind", oplog::name_of(found.version.kind)},
                      {"ns", found.version.ns},
                      {"base", found.base.hex()},
                      {"document", document_as_json(found.version.document)}});
    print_json("document_versions", {{"ns", line.query.ns}, {"versions", rows}});
    return;
  }
  for (const auto& found : versions)
    print(fmt::format("{}  {:<8} {}\n", catalog::describe(found.version.order.effective),
                      oplog::name_of(found.version.kind), text_of(found.version.document)));
  print(fmt::format("{} versions\n", versions.size()));
}

Result<int> document_versions(Session& session, DocumentLine line) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  line.query.dataset = TRY(dataset_for(*repository, line, line.words[0]));
  line.query.ns = line.words[0] + "." + line.words[1];
  line.query.id = line.words[2];
  line.query.temp_directory = temp_directory();
  const auto versions = TRY(recover::versions_of(*repository, line.query));
  print_versions(session, line, versions);
  return versions.empty() ? exit_status_of(ErrorCode::not_found) : 0;
}

Result<int> versions(Session& session, const DocumentLine& line) {
  if (line.words.size() == 3) return document_versions(session, line);
  if (line.words.size() == 1) return file_versions(session, line.words[0]);
  return fail(ErrorCode::usage, "versions takes DB COLLECTION ID, or one PATH");
}

Result<int> query(Session& session, DocumentLine line) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  line.query.dataset = TRY(dataset_for(*repository, line, line.db));
  line.query.ns = line.db + "." + line.collection;
  line.query.temp_directory = temp_directory();
  const auto found = TRY(recover::document_at(*repository, line.query));
  if (session.format() == OutputFormat::json) {
    nlohmann::ordered_json document{{"ns", line.query.ns},
                                    {"moment", found.moment},
                                    {"base", found.base.hex()},
                                    {"document", document_as_json(found.document)}};
    if (found.at) document["at"] = moment_as_json(*found.at);
    print_json("document", document);
  } else if (found.document) {
    session.context().log.note("as of " + found.moment);
    print(text_of(found.document) + "\n");
  }
  if (!found.document)
    return fail(ErrorCode::not_found, fmt::format("{} has no document with this _id as of {}",
                                                  line.query.ns, found.moment));
  return 0;
}

}  // namespace

void add_browse_documents(CommandLine& line, CLI::App* browse) {
  auto given = std::make_shared<DocumentLine>();
  auto* history = browse->add_subcommand("versions", "every version of a document, or of a file");
  history->add_option("WORDS", given->words, "DB COLLECTION ID, or one PATH")
      ->required()
      ->expected(1, 3);
  history->add_option("--dataset", given->dataset, "which database, when there are several");
  line.choose(history, [given](Session& session) { return versions(session, *given); });

  auto* asking = browse->add_subcommand("query", "one document as it was at a moment");
  asking->add_option("DB", given->db)->required();
  asking->add_option("COLLECTION", given->collection)->required();
  asking->add_option("--id", given->query.id, "JSON value, 24 hex digits, or text")->required();
  asking->add_option("--at", given->query.at, "SECONDS,ORDINAL, a time, or last")
      ->capture_default_str();
  asking->add_option("--dataset", given->dataset, "which database, when there are several");
  line.choose(asking, [given](Session& session) { return query(session, *given); });
}

}  // namespace holdfast::cli
