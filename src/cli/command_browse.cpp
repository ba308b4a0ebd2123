#include "cli/browse.hpp"
#include "cli/command.hpp"

namespace holdfast::cli {

void add_browse(CommandLine& line) {
  auto* verb = line.app.add_subcommand("browse", "look into what is stored, restoring nothing");
  verb->require_subcommand(1);
  add_browse_files(line, verb);
  add_browse_documents(line, verb);
}

}  // namespace holdfast::cli
