#include "cli/mongo_server.hpp"

#include "cli/secret_source.hpp"

namespace holdfast::cli {
namespace {

constexpr std::string_view what = "connection string";

Result<Secret> read_text(const UriSource& source) {
  const int given = (source.text ? 1 : 0) + (source.file ? 1 : 0) + (source.command ? 1 : 0);
  if (given != 1)
    return fail(ErrorCode::usage,
                given == 0 ? "no server: give mongodb://…, --uri-file or --uri-command"
                           : "give the server once: mongodb://…, --uri-file or --uri-command");
  if (source.file) return line_from_file(*source.file, what);
  if (source.command) return line_from_command(*source.command, what);
  return Secret(as_bytes(*source.text));
}

// The message tells where the text came from, when it does not stand on the line.
Result<mongo::Uri> parse_uri(const UriSource& source, const Secret& text) {
  if (source.file) return mongo::Uri::parse(text).while_doing(taken_from_file(what));
  if (source.command) return mongo::Uri::parse(text).while_doing(taken_from_command(what));
  return mongo::Uri::parse(text);
}

}  // namespace

void add_uri_options(CLI::App* verb, UriSource& source) {
  verb->add_option("--uri-file", source.file, "file with the connection string");
  verb->add_option("--uri-command", source.command, "command that prints the connection string");
}

Result<std::unique_ptr<mongo::Deployment>> connect(Session& session, const UriSource& source) {
  const auto text = TRY(read_text(source));
  const auto uri = TRY(parse_uri(source, text));
  if (source.text && uri.has_password())
    session.context().log.warn(
        "the password in the argument list can be seen by other users of this machine: use "
        "--uri-file or --uri-command");
  return mongo::Deployment::connect(uri, session.context());
}

Result<void> require_grants(mongo::Deployment& deployment, mongo::ReadFrom member,
                            mongo::Purpose purpose) {
  auto connection = TRY(deployment.connect_to(member));
  const auto report = TRY(mongo::check_grants(connection, purpose));
  return mongo::require(report);
}

}  // namespace holdfast::cli
