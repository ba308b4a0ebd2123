#include "backup/stream_mongo.hpp"

namespace holdfast::backup {

std::string_view name_of(BaseReason reason) {
  switch (reason) {
    case BaseReason::none_yet:
      return "there is no base that the recorded history continues";
    case BaseReason::gap:
      return "history is missing since the last base";
    case BaseReason::diverged:
      return "the last base holds history that was rolled back";
    case BaseReason::not_understood:
      return "the server did something that can not be replayed";
  }
  return "unknown";
}

}  // namespace holdfast::backup
