#pragma once
// Data for standard output: aligned tables for people, one JSON document for programs.
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::cli {

// Columns are as wide as their widest cell; the last one is not padded.
class Table {
 public:
  explicit Table(std::vector<std::string> titles) : rows_{std::move(titles)} {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

void print(std::string_view text);

// "1 document", "2 documents"; `many` where the plural takes more than an s.
std::string counted(std::uint64_t count, std::string_view one, std::string_view many = {});
// Adds "v" and "type" in front, as every JSON document of ours has them. Bytes that are not UTF-8
// are replaced.
void print_json(std::string_view type, const nlohmann::ordered_json& document);

}  // namespace holdfast::cli
