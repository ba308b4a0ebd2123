#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "repo/keyring.hpp"
#include "repo/node_time.hpp"

namespace holdfast::cli {
namespace {

std::string created_of(const repo::KeyFile& file) {
  return file.created ? repo::format_node_time(*file.created) : "unknown";
}

Result<int> list(Session& session) {
  auto* repository = TRY(session.open_repository());
  const auto keys = TRY(repo::list_keys(repository->store()));
  Table table({"", "ID", "USER", "HOST", "CREATED"});
  auto rows = nlohmann::ordered_json::array();
  for (const auto& key : keys) {
    const bool in_use = key.id == repository->key().id;
    const auto& file = key.file;
    const std::string state = key.flaw ? "damaged: " + key.flaw->message : created_of(file);
    table.add({in_use ? "*" : "", key.id.short_hex(), file.username, file.hostname, state});
    rows.push_back({{"id", key.id.hex()},
                    {"current", in_use},
                    {"username", file.username},
                    {"hostname", file.hostname},
                    {"created", created_of(file)},
                    {"damaged", key.flaw.has_value()}});
  }
  if (session.format() == OutputFormat::json)
    print_json("keys", {{"keys", rows}});
  else
    print(table.text());
  return 0;
}

int say_key(Session& session, std::string_view what, const repo::KeyId& id) {
  if (session.format() == OutputFormat::json)
    print_json("key", {{"done", what}, {"id", id.hex()}});
  else
    print(fmt::format("key {} {}\n", id.short_hex(), what));
  return 0;
}

Result<int> add(Session& session, const PasswordSource& source) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "key"));
  const auto password = TRY(read_password(source).while_doing("reading the new password"));
  const auto id =
      TRY(repo::add_key(session.context(), repository->store(), repository->key().master, password,
                        key_author(session.context().clock)));
  return say_key(session, "added", id);
}

Result<int> change(Session& session, const PasswordSource& source) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "key"));
  const auto password = TRY(read_password(source).while_doing("reading the new password"));
  const auto id =
      TRY(repo::change_password(session.context(), repository->store(), repository->key(), password,
                                key_author(session.context().clock)));
  return say_key(session, "is the new one; the old one is gone", id);
}

Result<int> remove(Session& session, const std::string& prefix) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "key"));
  const auto id = TRY(repo::find_key(repository->store(), prefix));
  TRY(repo::remove_key(repository->store(), id, repository->key().id));
  return say_key(session, "removed", id);
}

// A new password never falls back to the variables of the present one.
void add_password_options(CLI::App* verb, const std::shared_ptr<PasswordSource>& source) {
  auto* file = verb->add_option("--new-password-file", source->file, "file with the new password");
  auto* command = verb->add_option("--new-password-command", source->command,
                                   "command that prints the new password");
  file->excludes(command);
  verb->require_option(1, 0);
}

}  // namespace

void add_key(CommandLine& line) {
  auto* verb = line.app.add_subcommand("key", "list, add, remove and change passwords");
  verb->require_subcommand(1);
  line.choose(verb->add_subcommand("list", "the keys of the repository"), list);

  auto new_password = std::make_shared<PasswordSource>();
  auto* adding = verb->add_subcommand("add", "let another password open the repository");
  add_password_options(adding, new_password);
  line.choose(adding, [new_password](Session& session) { return add(session, *new_password); });

  auto* changing = verb->add_subcommand("passwd", "replace the password in use");
  add_password_options(changing, new_password);
  line.choose(changing,
              [new_password](Session& session) { return change(session, *new_password); });

  auto prefix = std::make_shared<std::string>();
  auto* removing = verb->add_subcommand("remove", "remove a key");
  removing->add_option("ID", *prefix, "the key's id or its beginning")->required();
  line.choose(removing, [prefix](Session& session) { return remove(session, *prefix); });
}

}  // namespace holdfast::cli
