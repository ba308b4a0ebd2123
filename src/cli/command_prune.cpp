#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/units.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "repo/node_time.hpp"
#include "retain/prune.hpp"

namespace holdfast::cli {
namespace {

struct PruneLine {
  std::string last = "0", hourly = "0", daily = "0", weekly = "0", monthly = "0", yearly = "0";
  std::string within, within_hourly, within_daily, within_weekly, within_monthly, within_yearly;
  std::vector<std::string> tags;
  std::optional<std::string> grace, repack_max;
  unsigned unused_percent_max = retain::unused_percent_default;
  bool dry_run = false;
  bool allow_remove_all = false;
};

Result<int> count_of(const std::string& text) {
  if (text == "unlimited") return retain::keep_unlimited;
  int count = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failed != std::errc{} || end != text.data() + text.size() || count < 0)
    return fail(ErrorCode::usage,
                fmt::format("\"{}\" is not a count; give a number or \"unlimited\"", text));
  return count;
}

Result<retain::CalendarSpan> span_of(const std::string& text) {
  if (text.empty()) return retain::CalendarSpan{};
  return retain::parse_calendar_span(text);
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Result<retain::KeepPolicy> policy_of(const PruneLine& line) {
  retain::KeepPolicy policy;
  policy.last = TRY(count_of(line.last));
  policy.hourly = TRY(count_of(line.hourly));
  policy.daily = TRY(count_of(line.daily));
  policy.weekly = TRY(count_of(line.weekly));
  policy.monthly = TRY(count_of(line.monthly));
  policy.yearly = TRY(count_of(line.yearly));
  policy.within = TRY(span_of(line.within));
  policy.within_hourly = TRY(span_of(line.within_hourly));
  policy.within_daily = TRY(span_of(line.within_daily));
  policy.within_weekly = TRY(span_of(line.within_weekly));
  policy.within_monthly = TRY(span_of(line.within_monthly));
  policy.within_yearly = TRY(span_of(line.within_yearly));
  for (const auto& tags : line.tags) policy.tags.push_back(split_at_commas(tags));
  return policy;
}

Result<retain::PruneOptions> options_of(const PruneLine& line) {
  retain::PruneOptions options;
  options.policy = TRY(policy_of(line));
  if (line.grace) options.grace = TRY(parse_span(*line.grace));
  if (line.repack_max) options.repack_bytes_max = TRY(parse_size(*line.repack_max));
  options.unused_percent_max = line.unused_percent_max;
  if (line.allow_remove_all) options.remove_all = retain::PruneOptions::RemoveAll::allow;
  return options;
}

std::string_view word_of(retain::Fate fate) {
  return fate == retain::Fate::keep ? "keep" : "remove";
}

nlohmann::ordered_json as_json(const retain::PrunePlan& plan) {
  auto snapshots = nlohmann::ordered_json::array();
  for (const auto& decision : plan.snapshots)
    snapshots.push_back({{"id", decision.snapshot.id.hex()},
                         {"time", repo::format_node_time(decision.snapshot.snapshot.time)},
                         {"paths", decision.snapshot.snapshot.paths},
                         {"hostname", decision.snapshot.snapshot.hostname},
                         {"fate", word_of(decision.fate)},
                         {"reasons", decision.reasons}});
  auto packs = nlohmann::ordered_json::array();
  for (const auto& pack : plan.packs.plans)
    packs.push_back({{"id", pack.id.hex()},
                     {"action", retain::name_of(pack.action)},
                     {"reason", pack.reason},
                     {"bytes", pack.bytes},
                     {"unused_bytes", pack.unused_bytes}});
  return {{"snapshots", snapshots},
          {"packs", packs},
          {"packs_kept", plan.packs.packs_kept},
          {"bytes_kept", plan.packs.bytes_kept},
          {"bytes_to_repack", plan.packs.bytes_to_repack},
          {"bytes_to_free", plan.packs.bytes_to_free},
          {"others_at_work", plan.others}};
}

void print_plan(const retain::PrunePlan& plan) {
  Table snapshots({"FATE", "ID", "TIME", "REASONS", "PATHS"});
  for (const auto& decision : plan.snapshots)
    snapshots.add({std::string(word_of(decision.fate)), decision.snapshot.id.short_hex(),
                   repo::format_node_time(decision.snapshot.snapshot.time),
                   fmt::format("{}", fmt::join(decision.reasons, ", ")),
                   fmt::format("{}", fmt::join(decision.snapshot.snapshot.paths, " "))});
  print(snapshots.text());
  Table packs({"PACK", "ACTION", "SIZE", "UNUSED", "REASON"});
  for (const auto& pack : plan.packs.plans)
    packs.add({pack.id.short_hex(), std::string(retain::name_of(pack.action)),
               format_bytes(pack.bytes), format_bytes(pack.unused_bytes), pack.reason});
  if (!plan.packs.plans.empty()) print("\n" + packs.text());
  print(fmt::format("\n{} packs stay; {} move to new packs; {} become free\n",
                    plan.packs.packs_kept, format_bytes(plan.packs.bytes_to_repack),
                    format_bytes(plan.packs.bytes_to_free)));
  for (const auto& other : plan.others) print(fmt::format("at work now: {}\n", other));
}

void print_result(const retain::PruneResult& result) {
  print(fmt::format("removed  {} snapshots, {} packs ({})\n", result.snapshots_removed,
                    result.packs_removed, format_bytes(result.bytes_removed)));
  print(fmt::format("moved    {} blobs ({})\n", result.blobs_moved,
                    format_bytes(result.bytes_moved)));
  if (result.packs_marked > 0)
    print(
        fmt::format("marked   {} packs ({}): a later prune deletes them, writers of now may "
                    "still need them\n",
                    result.packs_marked, format_bytes(result.bytes_marked)));
  if (result.packs_brought_back > 0)
    print(fmt::format("brought back {} packs\n", result.packs_brought_back));
}

nlohmann::ordered_json as_json(const retain::PruneResult& result) {
  auto document = as_json(result.plan);
  document["snapshots_removed"] = result.snapshots_removed;
  document["packs_removed"] = result.packs_removed;
  document["bytes_removed"] = result.bytes_removed;
  document["packs_marked"] = result.packs_marked;
  document["bytes_marked"] = result.bytes_marked;
  document["packs_brought_back"] = result.packs_brought_back;
  document["blobs_moved"] = result.blobs_moved;
  document["bytes_moved"] = result.bytes_moved;
  return document;
}

Result<int> run_prune(Session& session, const PruneLine& line) {
  const auto options = TRY(options_of(line));
  auto* repository = TRY(session.open_repository());
  auto lock_options = TRY(session.lock_options(repo::LockRole::prune, "prune"));
  auto taken = TRY(retain::take_prune_lock(*repository, std::move(lock_options)));
  const auto& lock = session.hold(std::move(taken));
  const bool json = session.format() == OutputFormat::json;
  if (line.dry_run) {
    const auto plan = TRY(retain::plan_prune(*repository, lock, options));
    if (json)
      print_json("prune_plan", as_json(plan));
    else
      print_plan(plan);
    return 0;
  }
  const auto result = TRY(retain::prune(*repository, lock, options));
  if (result.plan.restic_at_work)
    session.context().log.warn("restic is at work: only snapshots were removed");
  if (json)
    print_json("prune", as_json(result));
  else
    print_result(result);
  return 0;
}

void add_keep_options(CLI::App* verb, PruneLine& line) {
  verb->add_option("--keep-last", line.last, "the last N snapshots, or \"unlimited\"");
  verb->add_option("--keep-hourly", line.hourly, "the newest of each of the last N hours");
  verb->add_option("--keep-daily", line.daily, "the newest of each of the last N days");
  verb->add_option("--keep-weekly", line.weekly, "the newest of each of the last N weeks");
  verb->add_option("--keep-monthly", line.monthly, "the newest of each of the last N months");
  verb->add_option("--keep-yearly", line.yearly, "the newest of each of the last N years");
  verb->add_option("--keep-within", line.within, "all of a span before the newest, like 1y5m7d2h");
  verb->add_option("--keep-within-hourly", line.within_hourly, "hourly ones within a span");
  verb->add_option("--keep-within-daily", line.within_daily, "daily ones within a span");
  verb->add_option("--keep-within-weekly", line.within_weekly, "weekly ones within a span");
  verb->add_option("--keep-within-monthly", line.within_monthly, "monthly ones within a span");
  verb->add_option("--keep-within-yearly", line.within_yearly, "yearly ones within a span");
  verb->add_option("--keep-tag", line.tags, "snapshots with all of these tags, a,b (repeatable)");
}

}  // namespace

void add_prune(CommandLine& line) {
  auto given = std::make_shared<PruneLine>();
  auto* verb = line.app.add_subcommand(
      "prune", "remove snapshots by policy, then the bytes that nothing needs");
  add_keep_options(verb, *given);
  verb->add_flag("--dry-run", given->dry_run, "print the plan with reasons, change nothing");
  verb->add_flag("--allow-remove-all", given->allow_remove_all,
                 "let the policy remove every snapshot of a group");
  verb->add_option("--grace", given->grace,
                   "how old a pack that nothing needs must be while "
                   "others work (default 24h)");
  verb->add_option("--max-unused", given->unused_percent_max, "percent that may stay unused")
      ->check(CLI::Range(0U, 100U));
  verb->add_option("--max-repack-size", given->repack_max, "move at most so much, like 10G");
  line.choose(verb, [given](Session& session) { return run_prune(session, *given); });
}

}  // namespace holdfast::cli
