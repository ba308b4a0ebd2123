#pragma once
// Which MongoDB server a command talks to, and the connection to it.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/session.hpp"
#include "mongo/deployment.hpp"
#include "mongo/grants.hpp"

namespace holdfast::cli {

// A connection string as it stands on the line, or where to read it from.
struct UriSource {
  std::optional<std::string> text;     // mongodb://…
  std::optional<std::string> file;     // --uri-file
  std::optional<std::string> command;  // --uri-command

  bool is_given() const { return text || file || command; }
};

// --uri-file and --uri-command.
void add_uri_options(CLI::App* verb, UriSource& source);

// Errors: usage (none, several, not a connection string), those of mongo::Deployment::connect. A
// password on the command line is warned of: other users see it there.
Result<std::unique_ptr<mongo::Deployment>> connect(Session& session, const UriSource& source);

// Error denied, naming what the user lacks.
Result<void> require_grants(mongo::Deployment& deployment, mongo::ReadFrom member,
                            mongo::Purpose purpose);

}  // namespace holdfast::cli
