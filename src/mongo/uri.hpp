#pragma once
// A connection string (mongodb:// or mongodb+srv://): anything libmongoc takes. It holds the
// password of a user, and shows it to nobody.
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace holdfast::mongo {

constexpr std::size_t uri_bytes_max = 64 * 1024;

// Whether an argument is meant as a connection string.
bool looks_like_uri(std::string_view text);

// Immutable; move-only.
class Uri {
 public:
  // Blanks and a line end around it are ignored, as files have them. Stricter than libmongoc: an
  // '@', ':' or '/' of a user or password, and an '@' of an option, must be percent-encoded. Error:
  // usage; the message says what is wrong and never repeats the text.
  static Result<Uri> parse(const Secret& text);

  const Secret& text() const { return text_; }
  // "mongodb://bk:***@h1,h2/?replicaSet=rs0": for people. No option that can hold a secret.
  const std::string& redacted() const { return redacted_; }
  const std::string& replica_set() const { return replica_set_; }  // empty: not named
  bool has_password() const { return has_password_; }

 private:
  Uri() = default;
  Secret text_;
  std::string redacted_;
  std::string replica_set_;
  bool has_password_ = false;
};

}  // namespace holdfast::mongo
