// browse ls, find, cat, diff: files of snapshots.
#include "recover/browse_files.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/browse.hpp"
#include "cli/command.hpp"
#include "cli/output.hpp"
#include "repo/node_time.hpp"

namespace holdfast::cli {
namespace {

std::string_view type_of(repo::NodeType type) {
  switch (type) {
    case repo::NodeType::file:
      return "file";
    case repo::NodeType::dir:
      return "dir";
    case repo::NodeType::symlink:
      return "symlink";
    case repo::NodeType::dev:
      return "dev";
    case repo::NodeType::chardev:
      return "chardev";
    case repo::NodeType::fifo:
      return "fifo";
    case repo::NodeType::socket:
      return "socket";
    case repo::NodeType::irregular:
      return "irregular";
  }
  return "";
}

char letter_of(repo::NodeType type) {
  static constexpr std::string_view letters = "-dlbcps?";
  return letters[static_cast<std::size_t>(type)];
}

std::string permissions_of(const repo::Node& node) {
  static constexpr std::string_view letters = "rwxrwxrwx";
  std::string text(1, letter_of(node.type));
  for (std::size_t bit = 0; bit < letters.size(); ++bit)
    text += (node.mode >> (8 - bit) & 1) != 0 ? letters[bit] : '-';
  return text;
}

nlohmann::ordered_json as_json(std::string_view path, const repo::Node& node) {
  nlohmann::ordered_json row{{"path", path},
                             {"kind", type_of(node.type)},
                             {"size", node.size},
                             {"mode", permissions_of(node)},
                             {"uid", node.uid},
                             {"gid", node.gid},
                             {"mtime", repo::format_node_time(node.mtime)}};
  if (node.type == repo::NodeType::symlink) row["link_target"] = node.link_target;
  return row;
}

std::string line_of(std::string_view path, const repo::Node& node) {
  return fmt::format("{} {:>5} {:>5} {:>12} {} {}{}\n", permissions_of(node), node.uid, node.gid,
                     node.size, repo::format_node_time(node.mtime), path,
                     node.type == repo::NodeType::symlink ? " -> " + node.link_target : "");
}

// Exit 1 when something could not be read on the way.
int finish(Session& session, const std::vector<std::string>& problems) {
  for (const auto& problem : problems) session.context().log.warn(problem);
  return problems.empty() ? 0 : exit_status_of(ErrorCode::failed);
}

recover::BrowseVisitor printer(Session& session, bool with_snapshot) {
  const bool json = session.format() == OutputFormat::json;
  return [json, with_snapshot](const recover::BrowsedEntry& entry) -> Result<void> {
    if (json) {
      auto row = as_json(entry.path, entry.node);
      row["snapshot_id"] = entry.snapshot.id.hex();
      print_json("entry", row);
    } else {
      print((with_snapshot ? entry.snapshot.id.short_hex() + " " : "") +
            line_of(entry.path, entry.node));
    }
    return {};
  };
}

Result<int> list(Session& session, const std::string& place, bool recursive) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  const auto depth = recursive ? recover::Depth::all : recover::Depth::one_level;
  const auto result = TRY(recover::list_files(*repository, place, depth, printer(session, false)));
  return finish(session, result.problems);
}

Result<int> find(Session& session, const recover::FindOptions& options) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  const auto result = TRY(recover::find_files(*repository, options, printer(session, true)));
  return finish(session, result.problems);
}

Result<int> cat(Session& session, const std::string& place) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  TRY(recover::print_file(*repository, place, [](ByteView piece) -> Result<void> {
    print(as_text(piece));
    return {};
  }));
  return 0;
}

std::string_view word_of(recover::DifferenceKind kind) {
  static constexpr std::string_view words[] = {"added", "removed", "content", "metadata", "type"};
  return words[static_cast<std::size_t>(kind)];
}

Result<int> diff(Session& session, const std::string& before, const std::string& after) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  const bool json = session.format() == OutputFormat::json;
  const auto visit = [json](const recover::Difference& difference) -> Result<void> {
    if (json)
      print_json("difference", {{"kind", word_of(difference.kind)}, {"path", difference.path}});
    else
      print(fmt::format("{:<9} {}\n", word_of(difference.kind), difference.path));
    return {};
  };
  const auto result = TRY(recover::diff_files(*repository, before, after, visit));
  if (json)
    print_json("diff", {{"added", result.added},
                        {"removed", result.removed},
                        {"content", result.content},
                        {"metadata", result.metadata},
                        {"kind", result.type},
                        {"bytes_added", result.bytes_added},
                        {"bytes_removed", result.bytes_removed}});
  else
    print(fmt::format(
        "{} added ({}), {} removed ({}), {} with other content, {} with other "
        "metadata\n",
        result.added, format_bytes(result.bytes_added), result.removed,
        format_bytes(result.bytes_removed), result.content + result.type, result.metadata));
  return finish(session, result.problems);
}

}  // namespace

Result<int> file_versions(Session& session, const std::string& path) {
  auto* repository = TRY(session.open_locked(repo::LockRole::shared, "browse"));
  const auto versions = TRY(recover::versions_of_file(*repository, {path, std::nullopt}));
  const bool json = session.format() == OutputFormat::json;
  Table table({"FIRST SEEN", "LAST SEEN", "SNAPSHOT", "POINTS", "SIZE", "MODIFIED"});
  auto rows = nlohmann::ordered_json::array();
  for (const auto& version : versions) {
    const auto first = repo::format_node_time(version.first.snapshot.time);
    const auto last = repo::format_node_time(version.last.snapshot.time);
    table.add({first, last, version.last.id.short_hex(), std::to_string(version.snapshot_count),
               version.node ? std::to_string(version.node->size) : "absent",
               version.node ? repo::format_node_time(version.node->mtime) : ""});
    nlohmann::ordered_json row{{"first_seen", first},
                               {"last_seen", last},
                               {"snapshot_id", version.last.id.hex()},
                               {"points", version.snapshot_count},
                               {"exists", version.node.has_value()}};
    if (version.node) row["entry"] = as_json(path, *version.node);
    rows.push_back(std::move(row));
  }
  if (json)
    print_json("versions", {{"path", path}, {"versions", rows}});
  else
    print(table.text());
  return 0;
}

void add_browse_files(CommandLine& line, CLI::App* browse) {
  auto place = std::make_shared<std::string>();
  auto recursive = std::make_shared<bool>(false);
  auto* listing = browse->add_subcommand("ls", "entries of a snapshot");
  listing->add_option("SNAPSHOT[:PATH]", *place)->required();
  listing->add_flag("-R,--recursive", *recursive, "everything below");
  line.choose(listing, [=](Session& session) { return list(session, *place, *recursive); });

  auto options = std::make_shared<recover::FindOptions>();
  auto* finding = browse->add_subcommand("find", "paths that match, in all snapshots");
  finding->add_option("PATTERN", options->patterns, "gitignore pattern")->required();
  finding->add_option("--snapshot", options->snapshots, "only in this one (repeatable)");
  line.choose(finding, [=](Session& session) { return find(session, *options); });

  auto* printing = browse->add_subcommand("cat", "content of one file on standard output");
  printing->add_option("SNAPSHOT:PATH", *place)->required();
  line.choose(printing, [=](Session& session) { return cat(session, *place); });

  auto before = std::make_shared<std::string>();
  auto after = std::make_shared<std::string>();
  auto* comparing = browse->add_subcommand("diff", "what changed between two snapshots");
  comparing->add_option("BEFORE", *before, "SNAPSHOT[:PATH]")->required();
  comparing->add_option("AFTER", *after, "SNAPSHOT[:PATH]")->required();
  line.choose(comparing, [=](Session& session) { return diff(session, *before, *after); });
}

}  // namespace holdfast::cli
