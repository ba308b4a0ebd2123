#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/output.hpp"

namespace holdfast::cli {
namespace {

Result<int> init(Session& session) {
  const auto place = TRY(session.repository_place());
  const auto password = TRY(read_password(session.options().password));
  auto* store = TRY(session.create_store());
  const auto repository = TRY(repo::Repository::init(session.context(), *store, password,
                                                     key_author(session.context().clock)));

  if (session.format() == OutputFormat::json)
    print_json("repository",
               {{"id", repository.config().id.hex()}, {"repository", place}, {"format", 2}});
  else
    print(
        fmt::format("repository {} made at {}\n"
                    "Without its password nothing in it can be read, by anybody. Keep a copy of "
                    "the password elsewhere.\n",
                    repository.config().id.short_hex(), place));
  return 0;
}

}  // namespace

void add_init(CommandLine& line) {
  auto* verb = line.app.add_subcommand("init", "make a new, encrypted repository");
  line.choose(verb, init);
}

}  // namespace holdfast::cli
