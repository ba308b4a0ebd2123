#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/version.hpp"
#include "verify/check.hpp"

namespace holdfast::cli {
namespace {

constexpr std::size_t paths_printed_max = 20;

struct VerifyLine {
  std::string level = "read-back";
  std::string share = "1/1";
  bool no_lock = false;
  unsigned threads = 0;
};

Result<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size() || text.empty())
    return fail(ErrorCode::usage, fmt::format("\"{}\" is not a number", text));
  return number;
}

Result<verify::CheckOptions> options_of(const VerifyLine& line) {
  verify::CheckOptions options;
  options.level = line.level == "decrypt" ? verify::Level::decrypt : verify::Level::read_back;
  const auto slash = line.share.find('/');
  if (slash == std::string::npos)
    return fail(ErrorCode::usage, fmt::format("--share is n/t, like 3/30, not \"{}\"", line.share));
  options.share = TRY(number_of(std::string_view(line.share).substr(0, slash)));
  options.share_count = TRY(number_of(std::string_view(line.share).substr(slash + 1)));
  if (options.share < 1 || options.share > options.share_count)
    return fail(ErrorCode::usage,
                fmt::format("--share {}: the first number goes from 1 to the second", line.share));
  options.threads = line.threads;
  if (!line.no_lock) {
    options.lock.emplace();
    options.lock->program = fmt::format("{} verify", program_name_and_version);
  }
  return options;
}

std::string_view name_of(verify::Severity severity) {
  return severity == verify::Severity::error ? "error" : "note";
}

nlohmann::ordered_json as_json(const verify::Finding& finding) {
  auto snapshots = nlohmann::ordered_json::array();
  for (const auto& id : finding.snapshots) snapshots.push_back(id.hex());
  return {{"severity", name_of(finding.severity)},
          {"kind", verify::name_of(finding.kind)},
          {"object", finding.object},
          {"offset", finding.offset},
          {"length", finding.length},
          {"message", finding.message},
          {"snapshots", snapshots},
          {"paths", finding.paths},
          {"path_count", finding.path_count},
          {"collections", finding.collections}};
}

nlohmann::ordered_json as_json(const verify::Report& report, const VerifyLine& line) {
  auto findings = nlohmann::ordered_json::array();
  for (const auto& finding : report.findings) findings.push_back(as_json(finding));
  return {{"result", report.is_clean() ? "PASS" : "FAIL"},
          {"level", line.level},
          {"share", line.share},
          {"findings", findings},
          {"findings_not_kept", report.findings_not_kept},
          {"objects_checked", report.objects_checked},
          {"packs_checked", report.packs_checked},
          {"blobs_checked", report.blobs_checked},
          {"bytes_read", report.bytes_read},
          {"snapshots", report.snapshots},
          {"trees", report.trees}};
}

void print_finding(const verify::Finding& finding) {
  const std::string where = finding.length == 0
                                ? finding.object
                                : fmt::format("{} bytes {}..{}", finding.object, finding.offset,
                                              finding.offset + finding.length);
  print(fmt::format("{}: {}: {}\n", name_of(finding.severity), where, finding.message));
  for (const auto& id : finding.snapshots) print(fmt::format("  snapshot {}\n", id.short_hex()));
  for (const auto& collection : finding.collections)
    print(fmt::format("  collection {}\n", collection));
  const std::size_t shown = std::min(finding.paths.size(), paths_printed_max);
  for (std::size_t at = 0; at < shown; ++at) print(fmt::format("  path {}\n", finding.paths[at]));
  if (finding.path_count > shown)
    print(fmt::format("  and {} more paths\n", finding.path_count - shown));
}

void print_text(const verify::Report& report, const VerifyLine& line) {
  for (const auto& finding : report.findings) print_finding(finding);
  if (report.findings_not_kept > 0)
    print(fmt::format("and {} more findings\n", report.findings_not_kept));
  print(
      fmt::format("{}  level {}  share {}  {} objects, {} packs, {} blobs, {} read  "
                  "({} snapshots, {} trees)\n",
                  report.is_clean() ? "PASS" : "FAIL", line.level, line.share,
                  report.objects_checked, report.packs_checked, report.blobs_checked,
                  format_bytes(report.bytes_read), report.snapshots, report.trees));
}

Result<int> run_verify(Session& session, const VerifyLine& line) {
  const auto options = TRY(options_of(line));
  auto* store = TRY(session.open_store());
  const auto password = TRY(read_password(session.options().password));
  const auto report = TRY(verify::check_repository(session.context(), *store, password, options));
  if (session.format() == OutputFormat::json)
    print_json("verification", as_json(report, line));
  else
    print_text(report, line);
  return report.is_clean() ? 0 : exit_status_of(ErrorCode::verification_failed);
}

}  // namespace

void add_verify(CommandLine& line) {
  auto given = std::make_shared<VerifyLine>();
  auto* verb = line.app.add_subcommand("verify", "prove that what is stored is what was saved");
  verb->add_option("--level", given->level,
                   "read-back: structure; decrypt: every byte of every file")
      ->check(CLI::IsMember({"read-back", "decrypt"}))
      ->capture_default_str();
  verb->add_option("--share", given->share, "n/t: part n of t, so that t runs read everything")
      ->capture_default_str();
  verb->add_option("--threads", given->threads, "readers, 0: one per processor")
      ->check(CLI::Range(0U, verify::threads_max));
  verb->add_flag("--no-lock", given->no_lock, "write nothing, not even a lock");
  line.choose(verb, [given](Session& session) { return run_verify(session, *given); });
}

}  // namespace holdfast::cli
