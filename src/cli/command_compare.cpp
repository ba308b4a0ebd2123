#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.hpp"
#include "bson/ext_json.hpp"
#include "cli/command.hpp"
#include "cli/environment.hpp"
#include "cli/moment.hpp"
#include "cli/mongo_server.hpp"
#include "cli/output.hpp"
#include "recover/compare_mongo.hpp"

namespace holdfast::cli {
namespace {

constexpr std::uint64_t differences_printed_default = 20;

struct CompareLine {
  recover::MomentRequest moment;
  UriSource uri;
  std::string memory = "512M";
  std::uint64_t differences_max = differences_printed_default;
};

nlohmann::ordered_json as_json(const recover::ComparedCollection& collection) {
  return {{"ns", collection.ns},
          {"target_ns", collection.target_ns},
          {"kind", collection.type},
          {"equal", collection.is_equal()},
          {"documents_equal", collection.has_equal_documents()},
          {"then", {{"count", collection.then_count}, {"digest", collection.then_digest.hex()}}},
          {"now", {{"count", collection.now_count}, {"digest", collection.now_digest.hex()}}},
          {"missing", collection.missing},
          {"extra", collection.extra},
          {"different", collection.different},
          {"absent_now", collection.is_absent_now},
          {"absent_then", collection.is_absent_then},
          {"catalog", collection.catalog}};
}

bson::JsonForm json_form(OutputFormat format) {
  return format == OutputFormat::json ? bson::JsonForm::canonical : bson::JsonForm::relaxed;
}

// Differences as they are found: text lines, or JSON lines before the closing document.
class DifferencePrinter {
 public:
  DifferencePrinter(OutputFormat format, std::uint64_t most) : format_(format), most_(most) {}

  Result<void> print_one(const recover::DocumentDifference& difference) {
    if (count_++ >= most_) return {};
    const auto id = difference.id.type == bson::Type::end
                        ? std::string("null")
                        : bson::to_ext_json(difference.id, json_form(format_));
    if (format_ == OutputFormat::json) {
      print_json("difference", {{"ns", difference.ns},
                                {"target_ns", difference.target_ns},
                                {"kind", recover::name_of(difference.kind)},
                                {"id", nlohmann::ordered_json::parse(id, nullptr, false)}});
      return {};
    }
    print(fmt::format("  {:<9} {} {}\n", recover::name_of(difference.kind), difference.ns, id));
    return {};
  }
  std::uint64_t left_out() const { return count_ > most_ ? count_ - most_ : 0; }

 private:
  OutputFormat format_;
  std::uint64_t most_;
  std::uint64_t count_ = 0;
};

std::string_view verdict_of(const recover::ComparedCollection& collection) {
  if (collection.is_equal()) return "equal";
  return collection.has_equal_documents() ? "catalog differs" : "differs";
}

std::string verdict_of(const recover::CompareMongoResult& result) {
  if (result.is_equal())
    return "PASS: the server holds exactly what the dataset held as of " + result.moment;
  if (!result.has_equal_documents())
    return "FAIL: the server differs from the dataset as of " + result.moment;
  return fmt::format(
      "FAIL: all documents are as of {}, but options, indexes or views differ as told above",
      result.moment);
}

void print_text(const recover::CompareMongoResult& result, std::uint64_t left_out) {
  if (left_out > 0) print(fmt::format("  and {} more (--differences N)\n", left_out));
  Table table({"NAMESPACE", "THEN", "NOW", "MISSING", "EXTRA", "DIFFERENT", "VERDICT"});
  for (const auto& each : result.collections)
    table.add({each.target_ns, std::to_string(each.then_count), std::to_string(each.now_count),
               std::to_string(each.missing), std::to_string(each.extra),
               std::to_string(each.different), std::string(verdict_of(each))});
  print(table.text());
  for (const auto& each : result.collections)
    for (const auto& sentence : each.catalog)
      print(fmt::format("{}: {}\n", each.target_ns, sentence));
  print(verdict_of(result) + "\n");
}

Result<int> run_compare(Session& session, const CompareLine& line) {
  auto request = line.moment;
  request.memory_bytes_max = TRY(parse_size(line.memory));
  request.temp_directory = temp_directory();
  const auto deployment = TRY(connect(session, line.uri));
  TRY(require_grants(*deployment, mongo::ReadFrom::primary, mongo::Purpose::compare));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "compare"));
  DifferencePrinter printer(session.format(), line.differences_max);
  const auto result = TRY(recover::compare_mongo(
      *repository, *deployment, request, [&printer](const recover::DocumentDifference& difference) {
        return printer.print_one(difference);
      }));
  for (const auto& note : result.notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json) {
    auto collections = nlohmann::ordered_json::array();
    for (const auto& each : result.collections) collections.push_back(as_json(each));
    nlohmann::ordered_json document{{"dataset", request.dataset},
                                    {"with", deployment->redacted_uri()},
                                    {"moment", result.moment},
                                    {"equal", result.is_equal()},
                                    {"documents_equal", result.has_equal_documents()},
                                    {"differences_left_out", printer.left_out()},
                                    {"collections", collections},
                                    {"notes", result.notes}};
    if (result.at) document["at"] = moment_as_json(*result.at);
    print_json("compare", document);
  } else {
    print_text(result, printer.left_out());
  }
  return result.is_equal() ? 0 : exit_status_of(ErrorCode::verification_failed);
}

}  // namespace

void add_compare(CommandLine& line) {
  auto given = std::make_shared<CompareLine>();
  auto* verb = line.app.add_subcommand(
      "compare", "what differs between a database as it was at a moment and a live server");
  verb->add_option("--dataset", given->moment.dataset, "name of the database")->required();
  verb->add_option("--at", given->moment.at,
                   "SECONDS,ORDINAL (that entry included), a time (all of that second "
                   "included), or last")
      ->capture_default_str();
  verb->add_option("--with", given->uri.text, "mongodb://… to compare with");
  add_uri_options(verb, given->uri);
  verb->add_option("--only", given->moment.only, "database or database.collection (repeatable)");
  verb->add_option("--rename", given->moment.renames, "A=B: it is called B there (repeatable)");
  verb->add_option("--memory", given->memory, "bound; more is spilled to disk")
      ->capture_default_str();
  verb->add_option("--differences", given->differences_max, "how many documents to print")
      ->capture_default_str();
  line.choose(verb, [given](Session& session) { return run_compare(session, *given); });
}

}  // namespace holdfast::cli
