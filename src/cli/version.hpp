#pragma once
// What this program calls itself.
#include <string_view>

namespace holdfast::cli {

// As in CMakeLists.txt and in the snapshots' program_version.
constexpr std::string_view program_version = "0.1.0";
constexpr std::string_view program_name_and_version = "holdfast 0.1.0";

}  // namespace holdfast::cli
