#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/mongo_server.hpp"
#include "cli/output.hpp"
#include "cli/secret_source.hpp"
#include "recover/switch_env.hpp"

namespace holdfast::cli {
namespace {

struct SwitchLine {
  std::string file;
  std::string key = "MONGO_URI";
  std::optional<std::string> value;
  UriSource uri;
  bool add = false;
};

// The value to set: a secret is read by reference, anything else may stand on the line.
Result<std::string> value_of(const SwitchLine& line) {
  const int given = (line.value ? 1 : 0) + (line.uri.file ? 1 : 0) + (line.uri.command ? 1 : 0);
  if (given != 1)
    return fail(ErrorCode::usage, "give the new value once: --value, --uri-file or --uri-command");
  if (line.value) return *line.value;
  const auto secret = TRY(line.uri.file ? line_from_file(*line.uri.file, "value")
                                        : line_from_command(*line.uri.command, "value"));
  return std::string(as_text(secret.reveal()));
}

Result<int> run_switch(Session& session, const SwitchLine& line) {
  recover::EnvChange change;
  change.key = line.key;
  change.value = TRY(value_of(line));
  if (line.add) change.if_missing = recover::MissingKey::append;
  const auto result = TRY(recover::switch_env(line.file, change, session.context().clock.now()));
  if (session.format() == OutputFormat::json) {
    print_json("switch", {{"file", line.file},
                          {"key", line.key},
                          {"lines_changed", result.edit.changed_count},
                          {"lines_same", result.edit.same_count},
                          {"appended", result.edit.is_appended},
                          {"backup", result.backup.string()}});
    return 0;
  }
  if (result.backup.empty()) {
    print(fmt::format("{} has that {} already; nothing was changed\n", line.file, line.key));
    return 0;
  }
  print(fmt::format("{} of {} is set; the old file is {}\n", line.key, line.file,
                    result.backup.string()));
  return 0;
}

}  // namespace

void add_switch(CommandLine& line) {
  auto given = std::make_shared<SwitchLine>();
  auto* verb = line.app.add_subcommand(
      "switch", "point a program at the recovered database: set one key of a dotenv file");
  verb->add_option("FILE", given->file, "the dotenv file; replaced as a whole or not at all")
      ->required();
  verb->add_option("--key", given->key, "which key")->capture_default_str();
  verb->add_option("--value", given->value, "the new value, when it holds no password");
  add_uri_options(verb, given->uri);
  verb->add_flag("--add", given->add, "append the key when the file does not have it");
  line.choose(verb, [given](Session& session) { return run_switch(session, *given); });
}

}  // namespace holdfast::cli
