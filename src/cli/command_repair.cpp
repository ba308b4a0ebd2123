#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "retain/repair_index.hpp"

namespace holdfast::cli {
namespace {

Result<int> repair(Session& session, bool read_all) {
  auto* repository = TRY(session.open_repository());
  auto options = TRY(session.lock_options(repo::LockRole::exclusive, "repair index"));
  auto taken = TRY(repo::Lock::take(*repository, std::move(options)));
  const auto& lock = session.hold(std::move(taken));
  const auto mode = read_all ? retain::ReadHeaders::all : retain::ReadHeaders::where_needed;
  const auto repaired = TRY(retain::repair_index(*repository, lock, mode));

  for (const auto& id : repaired.unreadable)
    session.context().log.warn(
        fmt::format("the header of pack {} is damaged; what is in it is not indexed", id.hex()));
  if (session.format() == OutputFormat::json) {
    auto unreadable = nlohmann::ordered_json::array();
    for (const auto& id : repaired.unreadable) unreadable.push_back(id.hex());
    print_json("repair_index", {{"packs", repaired.packs},
                                {"packs_read", repaired.packs_read},
                                {"entries_dropped", repaired.entries_dropped},
                                {"index_files_removed", repaired.index_files_removed},
                                {"unreadable", unreadable}});
  } else {
    print(
        fmt::format("{} packs, {} headers read, {} wrong entries dropped, {} damaged index files "
                    "removed\n",
                    repaired.packs, repaired.packs_read, repaired.entries_dropped,
                    repaired.index_files_removed));
  }
  return repaired.unreadable.empty() ? 0 : exit_status_of(ErrorCode::verification_failed);
}

}  // namespace

void add_repair(CommandLine& line) {
  auto* verb = line.app.add_subcommand("repair", "make damaged parts again from what is intact");
  verb->require_subcommand(1);
  auto read_all = std::make_shared<bool>(false);
  auto* index = verb->add_subcommand("index", "make the index again from the packs");
  index->add_flag("--read-all-packs", *read_all, "believe no entry: read the header of every pack");
  line.choose(index, [read_all](Session& session) { return repair(session, *read_all); });
}

}  // namespace holdfast::cli
