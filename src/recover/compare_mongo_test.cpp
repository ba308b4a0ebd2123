#include "recover/compare_mongo.hpp"

#include <doctest/doctest.h>

namespace holdfast::recover {

TEST_CASE("A server is equal only when documents and catalog are") {
  CompareMongoResult result;
  CHECK(result.is_equal());
  result.collections.resize(2);
  CHECK(result.is_equal());
  CHECK(result.has_equal_documents());

  result.collections[1].catalog.emplace_back("has not the index number_1");
  CHECK_FALSE(result.is_equal());
  CHECK(result.has_equal_documents());
  CHECK_FALSE(result.collections[1].is_equal());

  result.collections[0].missing = 1;
  CHECK_FALSE(result.has_equal_documents());
  CHECK_FALSE(result.collections[0].is_equal());
}

TEST_CASE("An empty collection that did not exist is a difference, but not of documents") {
  ComparedCollection collection;
  collection.is_absent_then = true;
  CHECK_FALSE(collection.is_equal());
  CHECK(collection.has_equal_documents());
}

}  // namespace holdfast::recover
