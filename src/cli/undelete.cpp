#include "cli/undelete.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "bson/ext_json.hpp"
#include "cli/author.hpp"
#include "cli/moment.hpp"
#include "cli/output.hpp"
#include "recover/browse_mongo.hpp"
#include "recover/undelete_mongo.hpp"

namespace holdfast::cli {
namespace {

constexpr std::size_t sample_text_bytes_max = 160;

Result<recover::UndeleteOptions> options_of(const RestoreDatabaseLine& line) {
  recover::UndeleteOptions options;
  options.moment = TRY(moment_request_of(line));
  options.what = line.missing_only ? recover::Lost::missing : recover::Lost::changed;
  for (const auto& text : line.ids) {
    auto id = TRY(recover::parse_document_id(text));
    options.ids.push_back(std::move(id));
  }
  if (!line.filter.empty())
    options.filter = TRY(bson::parse_ext_json(line.filter).while_doing("reading --filter"));
  return options;
}

std::string shortened(std::string text) {
  if (text.size() <= sample_text_bytes_max) return text;
  text.resize(sample_text_bytes_max);
  return text + "…";
}

std::string text_of(const Bytes& document) {
  return bson::to_ext_json(bson::Document::trusted(document), bson::JsonForm::relaxed);
}

nlohmann::ordered_json json_of(const Bytes& document) {
  if (document.empty()) return nullptr;
  return nlohmann::ordered_json::parse(bson::to_ext_json(bson::Document::trusted(document)),
                                       nullptr, false);
}

nlohmann::ordered_json as_json(const recover::LostCollection& lost) {
  auto samples = nlohmann::ordered_json::array();
  for (const auto& sample : lost.samples)
    samples.push_back({{"then", json_of(sample.then)}, {"now", json_of(sample.now)}});
  return {{"ns", lost.ns},
          {"target_ns", lost.target_ns},
          {"count", lost.count},
          {"bytes", lost.bytes},
          {"samples", samples},
          {"conflicts", lost.conflicts},
          {"conflict_count", lost.conflict_count},
          {"notes", lost.notes}};
}

std::string_view word_for(recover::Lost what) {
  return what == recover::Lost::missing ? "missing" : "changed";
}

void print_preview(const recover::LostDocuments& lost) {
  print(fmt::format("{} since {}: {}\n", word_for(lost.what()), lost.moment(),
                    counted(lost.count(), "document")));
  for (const auto& each : lost.collections()) {
    print(fmt::format("  {}: {}, {}\n", each.target_ns, counted(each.count, "document"),
                      format_bytes(each.bytes)));
    for (const auto& sample : each.samples) {
      print(fmt::format("    {} {}\n", sample.now.empty() ? "+" : "-> then",
                        shortened(text_of(sample.then))));
      if (!sample.now.empty())
        print(fmt::format("       now  {}\n", shortened(text_of(sample.now))));
    }
    for (const auto& conflict : each.conflicts) print(fmt::format("    conflict: {}\n", conflict));
    for (const auto& note : each.notes) print(fmt::format("    {}\n", note));
  }
}

void print_put_back(const recover::PutBackResult& result) {
  for (const auto& each : result.collections) {
    print(
        fmt::format("  {}: {} put back, {} not\n", each.target_ns, each.written, each.not_written));
    for (const auto& refusal : each.refusals) print(fmt::format("    not: {}\n", refusal));
  }
  if (result.undo_point)
    print(fmt::format("{} put back; `holdfast restore --undo {} --to …` takes it back\n",
                      counted(result.written(), "document"), result.undo_point->short_hex()));
  else
    print("nothing to put back\n");
}

nlohmann::ordered_json as_json(const recover::PutBackResult& result) {
  auto collections = nlohmann::ordered_json::array();
  for (const auto& each : result.collections)
    collections.push_back({{"target_ns", each.target_ns},
                           {"written", each.written},
                           {"not_written", each.not_written},
                           {"refusals", each.refusals}});
  nlohmann::ordered_json document{{"written", result.written()},
                                  {"not_written", result.not_written()},
                                  {"collections", collections}};
  if (result.undo_point) document["undo_point"] = result.undo_point->hex();
  return document;
}

}  // namespace

Result<int> put_back_lost(Session& session, const RestoreDatabaseLine& line) {
  const auto options = TRY(options_of(line));
  const auto live = TRY(connect(session, line.uri));
  TRY(require_grants(*live, mongo::ReadFrom::primary,
                     line.preview ? mongo::Purpose::compare : mongo::Purpose::restore));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "restore"));
  auto lost = TRY(recover::find_lost(*repository, *live, options));
  for (const auto& note : lost.notes()) session.context().log.note(note);

  const bool is_json = session.format() == OutputFormat::json;
  auto found = nlohmann::ordered_json::array();
  for (const auto& each : lost.collections()) found.push_back(as_json(each));
  nlohmann::ordered_json document{{"dataset", line.dataset},       {"moment", lost.moment()},
                                  {"what", word_for(lost.what())}, {"preview", line.preview},
                                  {"documents", lost.count()},     {"collections", found}};
  if (lost.at()) document["at"] = moment_as_json(*lost.at());
  if (!is_json) print_preview(lost);
  if (line.preview) {
    if (is_json) print_json("restore", document);
    return 0;
  }

  const auto result = TRY(recover::put_back(*repository, *live, lost, snapshot_author()));
  if (is_json) {
    document["put_back"] = as_json(result);
    print_json("restore", document);
  } else {
    print_put_back(result);
  }
  return result.not_written() == 0 ? 0 : exit_status_of(ErrorCode::source_incomplete);
}

}  // namespace holdfast::cli
