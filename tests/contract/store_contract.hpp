#pragma once
// The promises of store/store.hpp as tests: every store and every decorator must pass them.
#include <functional>
#include <memory>

#include "store/store.hpp"

namespace holdfast::test {

// A fresh, empty store for each call. Whatever it needs (a directory) lives as long as the maker.
using StoreMaker = std::function<std::unique_ptr<store::Store>()>;

// To be called inside a doctest TEST_CASE; consists of SUBCASEs.
void check_store_contract(const StoreMaker& make);

}  // namespace holdfast::test
