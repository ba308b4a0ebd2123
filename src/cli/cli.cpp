#include "cli/cli.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/secret_source.hpp"
#include "cli/signals.hpp"
#include "cli/version.hpp"

namespace holdfast::cli {
namespace {

void add_global_options(CLI::App& app, GlobalOptions& globals) {
  app.add_option("-r,--repository", globals.repository,
                 "directory of the repository (or HOLDFAST_REPOSITORY)");
  app.add_option("--password-file", globals.password.file,
                 "file with the password (or HOLDFAST_PASSWORD_FILE)");
  app.add_option("--password-command", globals.password.command,
                 "command that prints the password (or HOLDFAST_PASSWORD_COMMAND)");
  app.add_flag("--json", globals.json, "one JSON document on standard output");
  app.add_flag("-q,--quiet", globals.quiet, "warnings and errors only");
  app.add_option("--progress", globals.progress, "none, plain, tty or json");
  app.add_option("--wait-lease", globals.wait_lease,
                 "how long to wait for another holder (default 2m)");
  app.add_flag("--no-cache", globals.no_cache, "keep no index cache on this machine");
  app.add_option("--cache-dir", globals.cache_directory, "where the index cache is kept");
  app.add_option("--limit-upload", globals.limit_upload, "bytes a second, like 10M");
  app.add_option("--limit-download", globals.limit_download, "bytes a second, like 10M");
}

// Of a verb, or of a verb's verb: {"plan", "check"}. Not through App::help, which would answer for
// the verb on this line: `help` itself.
Result<std::string> help_of(const CLI::App& app, const std::vector<std::string>& words) {
  const CLI::App* verb = &app;
  std::string name = app.get_name();
  for (const auto& word : words) {
    const auto found =
        verb->get_subcommands([&word](const CLI::App* each) { return each->get_name() == word; });
    if (found.empty())
      return fail(ErrorCode::usage, fmt::format("{} has no command {}", name, word));
    verb = found.front();
    name += " " + word;
  }
  return verb->get_formatter()->make_help(verb, name, CLI::AppFormatMode::Normal);
}

void add_help(CommandLine& line) {
  auto words = std::make_shared<std::vector<std::string>>();
  auto* verb = line.app.add_subcommand("help", "print this, or the help of a command");
  verb->add_option("COMMAND", *words, "like backup, or plan check");
  line.choose(verb, [&app = line.app, words](Session&) -> Result<int> {
    const auto text = TRY(help_of(app, *words));
    print(text);
    return 0;
  });
}

void add_commands(CommandLine& line) {
  add_init(line);
  add_backup(line);
  add_stream(line);
  add_points(line);
  add_browse(line);
  add_restore(line);
  add_status(line);
  add_scan(line);
  add_compare(line);
  add_switch(line);
  add_plan(line);
  add_import(line);
  add_export(line);
  add_verify(line);
  add_prune(line);
  add_key(line);
  add_repair(line);
  add_doctor(line);
  add_version(line);
  add_help(line);
}

// A repeatable option takes one value each time it is given; CLI11 would let it take all words up
// to the next option, and so the path or the server that follows.
void give_one_value_each(CLI::App& app) {
  for (auto* option : app.get_options())
    if (!option->get_positional()) option->allow_extra_args(false);
  for (auto* verb : app.get_subcommands([](CLI::App*) { return true; })) give_one_value_each(*verb);
}

// What is wrong, where, what to do next; the same as JSON for programs.
int report(const Error& error, OutputFormat format) {
  const int status = exit_status_of(error.code);
  std::fflush(stdout);  // what was told before the error stands before it
  const auto next = remedy_of_secret(error).value_or(std::string(remedy_of(error.code)));
  if (format == OutputFormat::json) {
    const nlohmann::ordered_json document{
        {"v", 1},         {"type", "error"},          {"code", name_of(error.code)},
        {"exit", status}, {"message", error.message}, {"while", error.trail},
        {"next", next}};
    fmt::print(stderr, "{}\n",
               document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  } else {
    fmt::print(stderr, "holdfast: {}\n  next: {}\n", describe(error), next);
  }
  return status;
}

Result<int> carry_out(const Action& action, const GlobalOptions& globals) {
  auto session = TRY(Session::make(globals));
  return action(*session);
}

// CLI11 answers with exceptions; none leaves this function. 0 for help, 2 for a bad line.
std::optional<int> parse(CLI::App& app, int argument_count, char** arguments) {
  const auto parsed = fence("reading the command line", [&]() -> int {
    CLI11_PARSE(app, argument_count, arguments);
    return -1;
  });
  if (!parsed.has_value()) return report(parsed.error(), OutputFormat::text);
  if (*parsed == -1) return std::nullopt;
  return *parsed == 0 ? 0 : exit_status_of(ErrorCode::usage);
}

std::string usage_failure(const CLI::App* app, const CLI::Error& error) {
  std::string verb = "holdfast";
  for (const auto* chosen : app->get_subcommands()) verb += " " + chosen->get_name();
  return fmt::format("holdfast: {}\n  next: see `{} --help`\n", error.what(), verb);
}

}  // namespace

int run(int argument_count, char** arguments) {
  install_signal_handlers();
  CLI::App app("Backup and disaster recovery that proves itself.", "holdfast");
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.failure_message(usage_failure);
  app.set_version_flag("--version", fmt::format("holdfast {}", program_version),
                       "print the version");
  GlobalOptions globals;
  Action chosen;
  add_global_options(app, globals);
  CommandLine line{app, globals, chosen};
  add_commands(line);
  give_one_value_each(app);
  if (const auto status = parse(app, argument_count, arguments)) return *status;

  if (!chosen) {
    return report({ErrorCode::usage, "no command was given", {}, {}}, OutputFormat::text);
  }

  const auto outcome = carry_out(chosen, globals);
  const auto format = globals.json ? OutputFormat::json : OutputFormat::text;
  if (!outcome.has_value()) return report(outcome.error(), format);
  return *outcome;
}

}  // namespace holdfast::cli
