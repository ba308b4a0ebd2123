#include "cli/restore_undo.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "recover/undo_put_back.hpp"

namespace holdfast::cli {
namespace {

nlohmann::ordered_json as_json(const recover::UndoResult& result, bool preview) {
  auto collections = nlohmann::ordered_json::array();
  for (const auto& each : result.collections)
    collections.push_back({{"target_ns", each.target_ns},
                           {"removed", each.removed},
                           {"replaced", each.replaced},
                           {"left", each.left}});
  const auto sum = result.sum();
  return {{"dataset", result.dataset}, {"moment", result.moment},  {"preview", preview},
          {"removed", sum.removed},    {"replaced", sum.replaced}, {"left", sum.left},
          {"collections", collections}};
}

void print_text(const recover::UndoResult& result, bool preview) {
  const auto line = [&](std::string_view about, const recover::UndoneCollection& each) {
    print(fmt::format("{}: {} removed, {} as before, {} left because they changed since\n", about,
                      each.removed, each.replaced, each.left));
  };
  for (const auto& each : result.collections) line("  " + each.target_ns, each);
  line(preview ? "would be taken back" : "taken back", result.sum());
}

}  // namespace

Result<int> undo(Session& session, const RestoreDatabaseLine& line) {
  const auto live = TRY(connect(session, line.uri));
  TRY(require_grants(*live, mongo::ReadFrom::primary,
                     line.preview ? mongo::Purpose::compare : mongo::Purpose::restore));
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "restore"));
  const auto mode = line.preview ? recover::UndoMode::preview : recover::UndoMode::write;
  const auto result =
      TRY(recover::undo_put_back(*repository, *live, {line.undo, line.dataset, mode}));
  for (const auto& note : result.notes) session.context().log.note(note);
  if (session.format() == OutputFormat::json)
    print_json("undo", as_json(result, line.preview));
  else
    print_text(result, line.preview);
  return 0;
}

}  // namespace holdfast::cli
