#include "cli/moment.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/time_text.hpp"

namespace holdfast::cli {

nlohmann::ordered_json moment_as_json(oplog::Timestamp moment) {
  return {{"at", fmt::format("{},{}", moment.seconds, moment.ordinal)},
          {"time", format_time(moment.seconds, 0)}};
}

}  // namespace holdfast::cli
