#include "mongo/uri.hpp"

#include <fmt/format.h>
#include <mongoc/mongoc.h>

#include <algorithm>
#include <array>

#include "mongo/driver.hpp"

namespace holdfast::mongo {

namespace {

constexpr std::array<std::string_view, 2> schemes{"mongodb://", "mongodb+srv://"};

// Options whose values are shown; of all others at most the name could be of interest.
constexpr std::array<std::string_view, 16> shown_options{"replicaset",
                                                         "authsource",
                                                         "authmechanism",
                                                         "directconnection",
                                                         "tls",
                                                         "ssl",
                                                         "tlscafile",
                                                         "tlscertificatekeyfile",
                                                         "readpreference",
                                                         "readconcernlevel",
                                                         "compressors",
                                                         "connecttimeoutms",
                                                         "tlsinsecure",
                                                         "sockettimeoutms",
                                                         "loadbalanced",
                                                         "serverselectiontimeoutms"};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return out;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isalnum(byte) != 0 || letter == '-' || letter == '_' || letter == '.')
      out += letter;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

std::string hosts_of(const mongoc_uri_t& uri) {
  if (const char* name = mongoc_uri_get_srv_hostname(&uri)) return name;
  std::string out;
  for (const auto* host = mongoc_uri_get_hosts(&uri); host != nullptr; host = host->next) {
    if (!out.empty()) out += ',';
    out += host->host_and_port;
  }
  return out;
}

// What stands between the scheme and the one '@' of the text: "user", "user:password".
std::string_view user_of(std::string_view text) {
  const auto at = text.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::size_t begin = text.find("://") + 3;
  return text.substr(begin, at - begin);
}

// libmongoc takes the first '@' for the end of the password, and what follows for names of hosts,
// which everybody may read. No '@' is therefore left to guessing: at most one, and before it at
// most one ':' and no '/'.
Result<void> check_encoding(std::string_view text) {
  const std::string_view user = user_of(text);
  const bool is_plain = std::count(text.begin(), text.end(), '@') <= 1 &&
                        std::count(user.begin(), user.end(), ':') <= 1 &&
                        user.find('/') == std::string_view::npos;
  if (is_plain) return {};
  return fail(ErrorCode::usage,
              "user, password and options of a connection string must be percent-encoded: '@' is "
              "%40, ':' is %3A, '/' is %2F, '%' is %25");
}

// The options as they were written, as far as they are for everybody's eyes.
std::string options_of(std::string_view text) {
  const auto at = text.rfind('@');
  if (at != std::string_view::npos) text.remove_prefix(at);
  const auto question = text.find('?');
  if (question == std::string_view::npos) return {};
  std::string out;
  std::string_view rest = text.substr(question + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const std::string name = lower(pair.substr(0, pair.find('=')));
    const bool is_shown =
        std::find(shown_options.begin(), shown_options.end(), name) != shown_options.end();
    if (!is_shown || pair.find('@') != std::string_view::npos) continue;
    out += out.empty() ? '?' : '&';
    out += pair;
  }
  return out;
}

std::string redact(const mongoc_uri_t& uri, std::string_view text) {
  const bool is_srv = text.starts_with(schemes[1]);
  std::string out(schemes[is_srv ? 1 : 0]);
  if (const char* user = mongoc_uri_get_username(&uri)) {
    out += percent_encoded(user);
    out += mongoc_uri_get_password(&uri) != nullptr ? ":***@" : "@";
  }
  out += hosts_of(uri);
  out += '/';
  if (const char* db = mongoc_uri_get_database(&uri)) out += percent_encoded(db);
  return out + options_of(text);
}

}  // namespace

bool looks_like_uri(std::string_view text) {
  return std::any_of(schemes.begin(), schemes.end(),
                     [&](std::string_view scheme) { return text.starts_with(scheme); });
}

Result<Uri> Uri::parse(const Secret& text) {
  if (text.reveal().size() > uri_bytes_max)
    return fail(ErrorCode::usage, "a connection string longer than 64 KiB");
  const std::string_view written = trimmed(as_text(text.reveal()));
  if (!looks_like_uri(written))
    return fail(ErrorCode::usage,
                "a connection string begins with mongodb:// or mongodb+srv://, and this does not");
  if (written.find_first_of("\r\n") != std::string_view::npos)
    return fail(ErrorCode::usage, "a connection string of more than one line");
  TRY(check_encoding(written));
  Uri uri;
  uri.text_ = Secret(as_bytes(written));
  const UriHandle parsed = TRY(parse_uri(uri.text_));
  uri.redacted_ = redact(*parsed, written);
  if (const char* set = mongoc_uri_get_replica_set(parsed.get())) uri.replica_set_ = set;
  uri.has_password_ = mongoc_uri_get_password(parsed.get()) != nullptr;
  return uri;
}

}  // namespace holdfast::mongo
