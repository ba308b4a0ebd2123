#include "cli/output.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace holdfast::cli {

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_)
    for (std::size_t column = 0; column < row.size() && column < widths.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column)
      line += column + 1 == row.size() ? row[column]
                                       : fmt::format("{:<{}}  ", row[column], widths[column]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
  if (count == 1) return fmt::format("1 {}", one);
  return many.empty() ? fmt::format("{} {}s", count, one) : fmt::format("{} {}", count, many);
}

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

void print_json(std::string_view type, const nlohmann::ordered_json& document) {
  nlohmann::ordered_json whole{{"v", 1}, {"type", type}};
  whole.update(document);
  print(whole.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  std::fflush(stdout);
}

}  // namespace holdfast::cli
