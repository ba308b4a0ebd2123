#include "repo/config_file.hpp"

#include <fmt/format.h>

#include "repo/json_cursor.hpp"

namespace holdfast::repo {
namespace {

// A config while its members come in.
struct Draft {
  ConfigFile config;
  std::uint32_t version = 0;
  bool has_id = false;
  bool has_polynomial = false;
};

bool read_polynomial(JsonCursor& in, Draft& draft) {
  std::string_view text;
  if (!in.string_view(text)) return false;
  const auto polynomial = Polynomial::parse(text);
  if (!polynomial.has_value()) return in.fail_here("not a polynomial");
  draft.config.chunker_polynomial = *polynomial;
  draft.has_polynomial = true;
  return true;
}

bool read_compression(JsonCursor& in, Draft& draft) {
  std::int64_t level = 0;
  if (!in.signed_number(level)) return false;
  if (level < -1000 || level > 1000) return in.fail_here("compression level out of range");
  draft.config.compression = static_cast<int>(level);
  return true;
}

constexpr JsonField<Draft> config_fields[] = {
    {"version", [](JsonCursor& in, Draft& draft) { return in.number(draft.version); }},
    {"id",
     [](JsonCursor& in, Draft& draft) {
       draft.has_id = true;
       return read_id(in, draft.config.id);
     }},
    {"chunker_polynomial", read_polynomial},
    {"append_only",
     [](JsonCursor& in, Draft& draft) { return in.boolean(draft.config.append_only); }},
    {"is_hot", [](JsonCursor& in, Draft& draft) { return in.boolean(draft.config.is_hot); }},
    {"compression", read_compression},
};

Result<void> check(const Draft& draft) {
  if (draft.version == 0 || !draft.has_id || !draft.has_polynomial)
    return fail(ErrorCode::malformed, "config: version, id or chunker_polynomial is missing");
  if (draft.version > 2)
    return fail(ErrorCode::unsupported,
                fmt::format("repository format {} is newer than this program", draft.version));
  const Polynomial polynomial = draft.config.chunker_polynomial;
  if (polynomial.degree() != chunker_polynomial_degree || !is_irreducible(polynomial))
    return fail(ErrorCode::corrupt, fmt::format("config: the chunker polynomial {} is not an "
                                                "irreducible one of degree {}",
                                                polynomial.hex(), chunker_polynomial_degree));
  return {};
}

}  // namespace

Result<ConfigFile> make_config(Rng& rng) {
  ConfigFile config;
  rng.fill(config.id.bytes);
  config.chunker_polynomial = TRY(random_irreducible(rng));
  return config;
}

Bytes encode_config(const ConfigFile& config) {
  JsonText out;
  out.begin_object();
  out.key("version");
  out.number(static_cast<std::uint64_t>(config.version));
  out.key("id");
  out.hex(config.id.view());
  out.key("chunker_polynomial");
  out.string_unescaped(config.chunker_polynomial.hex());
  if (config.is_hot) {
    out.key("is_hot");
    out.boolean(true);
  }
  if (config.append_only) {
    out.key("append_only");
    out.boolean(true);
  }
  if (config.compression) {
    out.key("compression");
    out.signed_number(*config.compression);
  }
  for (const auto& member : config.other) {
    out.member_name(member.name);
    out.raw(member.value);
  }
  out.end_object();
  return out.take();
}

Result<ConfigFile> decode_config(ByteView json) {
  if (json.size() > config_json_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("config of {} bytes", json.size()));
  JsonCursor in(as_text(json));
  Draft draft;
  if (read_object(in, draft, config_fields, &draft.config.other) && !in.at_end())
    in.fail_here("text after the config");
  TRY(in.status("config"));
  TRY(check(draft));
  draft.config.version = draft.version == 1 ? FormatVersion::v1 : FormatVersion::v2;
  return std::move(draft.config);
}

}  // namespace holdfast::repo
