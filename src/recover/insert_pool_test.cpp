#include "recover/insert_pool.hpp"

#include <doctest/doctest.h>

#include "bson/ext_json.hpp"

using namespace holdfast;
using namespace holdfast::recover;

namespace {

Bytes document_of(std::size_t bytes) {
  constexpr std::size_t frame_bytes = 5 + 1 + 2 + 5;  // document, type, name, text
  bson::Builder out;
  out.append_text("a", std::string(bytes - frame_bytes, 'x'));
  return out.take();
}

}  // namespace

TEST_CASE("A batch is one insert command with its documents unchanged") {
  InsertBatch batch("shop", "goods", TakenIds::refuse, BatchOrder::any);
  const Bytes first = bson::parse_ext_json(R"({"_id":1,"a":{"b":[1,2]}})").value();
  const Bytes second = bson::parse_ext_json(R"({"_id":2})").value();
  batch.add(first);
  batch.add(second);
  const Bytes command = to_bytes(batch.command().bytes());
  const auto checked = bson::Document::validate(command);
  REQUIRE(checked.has_value());
  CHECK(bson::to_ext_json(*checked, bson::JsonForm::relaxed) ==
        R"({"insert":"goods","ordered":false,"bypassDocumentValidation":true,)"
        R"("writeConcern":{"w":"majority"},"documents":[{"_id":1,"a":{"b":[1,2]}},{"_id":2}]})");
  // Asked again, as for a second attempt: the same.
  CHECK(to_bytes(batch.command().bytes()) == command);
}

TEST_CASE("A batch ends at its number of documents and at its size, and takes any one document") {
  InsertBatch many("shop", "goods", TakenIds::refuse, BatchOrder::any);
  const Bytes small = document_of(100);
  for (std::size_t number = 0; number < batch_documents_max; ++number) {
    REQUIRE(many.has_room_for(small.size()));
    many.add(small);
  }
  CHECK_FALSE(many.has_room_for(small.size()));

  InsertBatch large("shop", "goods", TakenIds::refuse, BatchOrder::any);
  const Bytes huge = document_of(std::size_t{16} << 20);
  CHECK(large.has_room_for(huge.size()));
  large.add(huge);
  CHECK_FALSE(large.has_room_for(small.size()));
  CHECK(large.byte_count() == huge.size());
  // Within the server's internal limit of a command.
  CHECK(large.command().bytes().size() <= bson::document_bytes_max);
}
