#include "mongo/uri.hpp"

#include <doctest/doctest.h>

namespace holdfast::mongo {
namespace {

Result<Uri> parse(std::string_view text) {
  return Uri::parse(Secret(as_bytes(text)));
}

std::string redacted(std::string_view text) {
  return parse(text).value().redacted();
}

}  // namespace

TEST_CASE("a connection string is shown without its password") {
  CHECK(redacted("mongodb://bk:s3cret@h1:27018,h2/?replicaSet=rs0&tls=false") ==
        "mongodb://bk:***@h1:27018,h2:27017/?replicaSet=rs0&tls=false");
  CHECK(redacted("mongodb://127.0.0.1:1/") == "mongodb://127.0.0.1:1/");
  CHECK(redacted("mongodb://h") == "mongodb://h:27017/");
  CHECK(redacted("mongodb+srv://bk:s3cret@db.example.org/shop?authSource=admin") ==
        "mongodb+srv://bk:***@db.example.org/shop?authSource=admin");
}

TEST_CASE("options that hold secrets are not shown") {
  const auto shown = redacted(
      "mongodb://u:p%40q@h/?tls=true&tlsCertificateKeyFilePassword=hush&authMechanism=PLAIN"
      "&appName=hidden");
  CHECK(shown == "mongodb://u:***@h:27017/?tls=true&authMechanism=PLAIN");
  CHECK(redacted("mongodb://a@h/?authMechanism=MONGODB-AWS"
                 "&authMechanismProperties=AWS_SESSION_TOKEN:hush")
            .find("hush") == std::string::npos);
}

TEST_CASE("a password with signs of its own never reaches a message or what is shown") {
  for (const std::string_view text :
       {"mongodb://bk:hush@word@h/", "mongodb://bk:hush/word@h/", "mongodb://bk:hush?tls=hush@h/",
        "mongodb://bk:hush%zz@h/", "mongodb://bk:hush@", "mongodb://bk:hush@h/?tls=hush",
        "mongodb://bk:hush@h:99999999/", "mongodb://bk:hush@h/?replicaSet=x@hush",
        "postgres://bk:hush@h/", "hush", "mongodb+srv://bk:hush@h:1/"}) {
    CAPTURE(text);
    const auto uri = parse(text);
    if (uri.has_value())
      CHECK(uri->redacted().find("hush") == std::string::npos);
    else {
      CHECK(uri.error().code == ErrorCode::usage);
      CHECK(describe(uri.error()).find("hush") == std::string::npos);
    }
  }
}

TEST_CASE("what would be taken for the end of a password must be percent-encoded") {
  for (const std::string_view text :
       {"mongodb://bob:ab@Hunter2@127.0.0.1:1/", "mongodb://bob:ab:Hunter2@127.0.0.1:1/",
        "mongodb://bob:ab/Hunter2@127.0.0.1:1/", "mongodb://bob@b:Hunter2@127.0.0.1:1/",
        "mongodb://bob:1/Hunter2?x@127.0.0.1:1/", "mongodb://h/?appName=a@b"}) {
    CAPTURE(text);
    const auto uri = parse(text);
    REQUIRE_FALSE(uri.has_value());
    CHECK(uri.error().code == ErrorCode::usage);
    CHECK(uri.error().message.find("must be percent-encoded") != std::string::npos);
    CHECK(describe(uri.error()).find("unter2") == std::string::npos);
  }
  CHECK(redacted("mongodb://b%40b:ab%40%3A%2Fc@h:1/?appName=a%40b") == "mongodb://b%40b:***@h:1/");
  CHECK(redacted("mongodb://bob:a?tls=c&tls=d@h:1/?tls=true") == "mongodb://bob:***@h:1/?tls=true");
  CHECK(redacted("mongodb://u:p@[::1]:27018/") == "mongodb://u:***@[::1]:27018/");
  CHECK(redacted("mongodb://[::1]:27018,h:1/") == "mongodb://[::1]:27018,h:1/");
}

TEST_CASE("a connection string of several lines is refused, not joined") {
  const auto uri = parse("mongodb://u:p@h/\nmongodb://other/\n");
  REQUIRE_FALSE(uri.has_value());
  CHECK(uri.error().message == "a connection string of more than one line");
}

TEST_CASE("blanks and a line end around a connection string are ignored") {
  const auto uri = parse("  mongodb://u:p@h/?replicaSet=rs1 \r\n").value();
  CHECK(as_text(uri.text().reveal()) == "mongodb://u:p@h/?replicaSet=rs1");
  CHECK(uri.replica_set() == "rs1");
  CHECK(uri.has_password());
  CHECK_FALSE(parse("mongodb://h/").value().has_password());
}

TEST_CASE("what is no connection string is a usage error") {
  CHECK(parse("").error().code == ErrorCode::usage);
  CHECK(parse("http://h/").error().code == ErrorCode::usage);
  CHECK(parse("mongodb://").error().code == ErrorCode::usage);
  CHECK(parse(std::string_view("mongodb://h\0x/", 14)).error().code == ErrorCode::usage);
  CHECK(parse(std::string(uri_bytes_max + 1, 'x')).error().code == ErrorCode::usage);
}

TEST_CASE("an argument is a connection string by its beginning") {
  CHECK(looks_like_uri("mongodb://h"));
  CHECK(looks_like_uri("mongodb+srv://h"));
  CHECK_FALSE(looks_like_uri("/var/dump"));
  CHECK_FALSE(looks_like_uri("mongodb:/h"));
}

}  // namespace holdfast::mongo
