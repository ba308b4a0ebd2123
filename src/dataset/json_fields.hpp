#pragma once
// Reading our own JSON notes (manifest, segment list), parsed into a BSON document: each getter
// names the field that is missing or of a wrong type.
#include <string>

#include "bson/digest.hpp"
#include "bson/view.hpp"
#include "oplog/timeline.hpp"

namespace holdfast::dataset {

// One thread; a view into the document.
class JsonFields {
 public:
  JsonFields(bson::Document document, std::string_view place)
      : document_(document), place_(place) {}

  Result<std::string> text(std::string_view name) const;
  Result<std::uint64_t> number(std::string_view name) const;
  Result<JsonFields> object(std::string_view name) const;
  Result<bson::Document> list(std::string_view name) const;
  Result<oplog::Timestamp> timestamp(std::string_view name) const;
  Result<oplog::OpTime> optime(std::string_view name) const;
  Result<oplog::ContentHash> hash(std::string_view name) const;
  bool is_true(std::string_view name) const;
  std::optional<bson::Value> find(std::string_view name) const { return document_.find(name); }

  tl::unexpected<Error> wrong(std::string_view name) const;

 private:
  bson::Document document_;
  std::string_view place_;
};

std::string timestamp_json(oplog::Timestamp ts);     // {"t":1,"i":2}
std::string optime_json(const oplog::OpTime& time);  // {"t":1,"i":2,"term":3}

}  // namespace holdfast::dataset
