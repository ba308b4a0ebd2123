#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "cli/output.hpp"
#include "cli/version.hpp"

namespace holdfast::cli {

void add_version(CommandLine& line) {
  auto* verb = line.app.add_subcommand("version", "print the version");
  line.choose(verb, [](Session& session) -> Result<int> {
    if (session.format() == OutputFormat::json)
      print_json("version", {{"version", program_version}, {"repository_formats", {1, 2}}});
    else
      print(fmt::format("holdfast {}\n", program_version));
    return 0;
  });
}

}  // namespace holdfast::cli
