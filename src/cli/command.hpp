#pragma once
// How a command joins the command line. Each add_* declares one verb's options; parsing the line
// chooses one action, which run() then carries out.
#include <CLI/CLI.hpp>
#include <functional>

#include "cli/session.hpp"

namespace holdfast::cli {

// What a command does. The number is the exit status; an Error becomes one by errors.def.
using Action = std::function<Result<int>(Session&)>;

struct CommandLine {
  CLI::App& app;
  GlobalOptions& globals;
  Action& chosen;

  // When `verb` is the one on the line, `action` is what run() does.
  void choose(CLI::App* verb, Action action) {
    verb->callback([&chosen = chosen, action = std::move(action)] { chosen = action; });
  }
};

void add_backup(CommandLine& line);
void add_compare(CommandLine& line);
void add_browse(CommandLine& line);
void add_doctor(CommandLine& line);
void add_export(CommandLine& line);
void add_import(CommandLine& line);
void add_init(CommandLine& line);
void add_key(CommandLine& line);
void add_points(CommandLine& line);
void add_prune(CommandLine& line);
void add_repair(CommandLine& line);
void add_restore(CommandLine& line);
void add_verify(CommandLine& line);
void add_plan(CommandLine& line);
void add_scan(CommandLine& line);
void add_status(CommandLine& line);
void add_stream(CommandLine& line);
void add_switch(CommandLine& line);
void add_version(CommandLine& line);

}  // namespace holdfast::cli
