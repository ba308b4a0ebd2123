#pragma once
// The kinds of calls a store receives: for counting them and for scripting faults.
#include <array>
#include <cstdint>
#include <string_view>

namespace holdfast::store {

enum class StoreCall : std::uint8_t { put, get, get_range, stat, list, remove, sync };
constexpr std::size_t store_call_count = 7;

constexpr std::string_view name_of(StoreCall call) {
  constexpr std::array<std::string_view, store_call_count> names{
      "put", "get", "get_range", "stat", "list", "remove", "sync"};
  return names[static_cast<std::size_t>(call)];
}

}  // namespace holdfast::store
