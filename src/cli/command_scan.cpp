#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/time_text.hpp"
#include "base/units.hpp"
#include "bson/ext_json.hpp"
#include "catalog/mongo_moment.hpp"
#include "cli/command.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/output.hpp"
#include "recover/scan_deletions.hpp"

namespace holdfast::cli {
namespace {

struct ScanLine {
  recover::ScanDeletionsOptions scan;
  std::string since = "2h";
  std::string within = "60s";
  bool no_expiry = false;
};

Result<std::chrono::seconds> seconds_of(const std::string& text) {
  const auto span = TRY(parse_span(text));
  return std::chrono::duration_cast<std::chrono::seconds>(span);
}

// What this line says of the repository; what the environment says holds for the next line too.
std::vector<std::string> repository_words(const GlobalOptions& given) {
  std::vector<std::string> words;
  const auto repeat = [&words](const char* option, const std::optional<std::string>& value) {
    if (value) words.insert(words.end(), {option, *value});
  };
  repeat("-r", given.repository);
  repeat("--password-file", given.password.file);
  repeat("--password-command", given.password.command);
  return words;
}

// An `_id` from {"": _id}; null for commands.
nlohmann::ordered_json id_as_json(const Bytes& id) {
  if (id.empty()) return nullptr;
  const auto document = bson::Document::trusted(id);
  return nlohmann::ordered_json::parse(bson::to_ext_json((*document.begin()).value), nullptr,
                                       false);
}

std::string time_of(std::int64_t wall_ms) {
  constexpr std::int64_t second = 1000;
  return format_time(wall_ms / second, 0);
}

nlohmann::ordered_json as_json(const recover::FoundChange& found) {
  const auto& change = found.change;
  nlohmann::ordered_json row{{"kind", oplog::name_of(change.kind)},
                             {"ns", change.ns},
                             {"count", change.count},
                             {"statement", oplog::name_of(change.statement)},
                             {"shape", change.shape},
                             {"detail", change.detail},
                             {"first", moment_as_json(change.first.ts)},
                             {"last", moment_as_json(change.last.ts)},
                             {"first_wall", time_of(change.first_wall_ms)},
                             {"last_wall", time_of(change.last_wall_ms)},
                             {"before", moment_as_json(change.before)},
                             {"first_id", id_as_json(change.first_id)},
                             {"last_id", id_as_json(change.last_id)},
                             {"lowest_id", id_as_json(change.lowest_id)},
                             {"highest_id", id_as_json(change.highest_id)},
                             {"sessions", change.session_count},
                             {"restore_command", found.restore_command},
                             {"why_not", found.why_not}};
  if (found.collection_count) row["collection_count"] = *found.collection_count;
  if (found.share) row["share"] = *found.share;
  return row;
}

std::string id_text(const Bytes& id) {
  return bson::to_ext_json((*bson::Document::trusted(id).begin()).value, bson::JsonForm::relaxed);
}

// "100 deletes", "drop of about 2780 documents": the server does not always say how many went.
std::string what_happened(const recover::FoundChange& found) {
  const auto kind = oplog::name_of(found.change.kind);
  if (found.change.count > 0) return fmt::format("{} {}", found.change.count, kind);
  if (!found.collection_count) return std::string(kind);
  return fmt::format("{} of about {}", kind, counted(*found.collection_count, "document"));
}

void print_found(const recover::FoundChange& found) {
  const auto& change = found.change;
  const std::string share =
      found.share ? fmt::format(" ({:.1f} % of the collection)", *found.share * 100.0) : "";
  print(fmt::format("{}  {}: {}{}, by {}\n", time_of(change.first_wall_ms), change.ns,
                    what_happened(found), share, oplog::name_of(change.statement)));
  print(fmt::format("  from {} to {}\n", catalog::describe(change.first.ts),
                    catalog::describe(change.last.ts)));
  if (!change.shape.empty()) print(fmt::format("  {}\n", change.shape));
  if (!change.detail.empty()) print(fmt::format("  {}\n", change.detail));
  if (!change.first_id.empty())
    print(fmt::format("  _id first {}, last {}; lowest {}, highest {}\n", id_text(change.first_id),
                      id_text(change.last_id), id_text(change.lowest_id),
                      id_text(change.highest_id)));
  if (found.restore_command.empty())
    print(fmt::format("  can not be brought back: {}\n", found.why_not));
  else
    print(fmt::format("  bring back: {}\n", found.restore_command));
}

Result<int> run_scan(Session& session, const ScanLine& line) {
  auto options = line.scan;
  options.since = TRY(seconds_of(line.since).while_doing("reading --since"));
  options.span = TRY(seconds_of(line.within).while_doing("reading --within"));
  if (line.no_expiry) options.expiry = recover::Expiry::leave_out;
  options.temp_directory = temp_directory();
  options.repository_words = repository_words(session.options());
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "scan"));
  const auto result = TRY(recover::scan_deletions(*repository, options));
  for (const auto& note : result.notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json) {
    auto rows = nlohmann::ordered_json::array();
    for (const auto& found : result.found) rows.push_back(as_json(found));
    print_json("scan_deletions", {{"dataset", options.dataset},
                                  {"since", moment_as_json(result.since)},
                                  {"found", rows},
                                  {"entries", result.entry_count},
                                  {"expiry_left_out", result.expiry_count},
                                  {"left_out", result.left_out_count},
                                  {"notes", result.notes}});
    return 0;
  }
  for (const auto& found : result.found) print_found(found);
  print(fmt::format("{} found in {} since {}\n", result.found.size(),
                    counted(result.entry_count, "entry", "entries"),
                    catalog::describe(result.since)));
  return 0;
}

}  // namespace

void add_scan(CommandLine& line) {
  auto given = std::make_shared<ScanLine>();
  auto* scan = line.app.add_subcommand("scan", "look through the recorded history of a database");
  scan->require_subcommand(1);
  auto* verb = scan->add_subcommand(
      "deletions", "find mass deletes, rewrites and drops, and how to bring back what they took");
  verb->add_option("--dataset", given->scan.dataset, "name of the database")->required();
  verb->add_option("--since", given->since, "how far back, like 2h or 3d")->capture_default_str();
  verb->add_option("--only", given->scan.only, "database or database.collection (repeatable)");
  verb->add_option("--min", given->scan.count_min, "smallest number of documents")
      ->capture_default_str();
  verb->add_option("--within", given->within, "changes further apart do not belong together")
      ->capture_default_str();
  verb->add_flag("--no-expiry", given->no_expiry, "leave out what looks like TTL expiry");
  line.choose(verb, [given](Session& session) { return run_scan(session, *given); });
}

}  // namespace holdfast::cli
