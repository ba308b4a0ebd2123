#include "repo/key_file.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "repo/json_cursor.hpp"

namespace holdfast::repo {
namespace {

// A key file while its members come in.
struct Draft {
  KeyFile key_file;
  std::string kdf;
};

constexpr JsonField<Draft> key_fields[] = {
    {"created",
     [](JsonCursor& in, Draft& draft) { return read_time(in, draft.key_file.created.emplace()); }},
    {"username", [](JsonCursor& in, Draft& draft) { return in.string(draft.key_file.username); }},
    {"hostname", [](JsonCursor& in, Draft& draft) { return in.string(draft.key_file.hostname); }},
    {"kdf", [](JsonCursor& in, Draft& draft) { return in.string(draft.kdf); }},
    {"N", [](JsonCursor& in, Draft& draft) { return in.number(draft.key_file.cost.n); }},
    {"r", [](JsonCursor& in, Draft& draft) { return in.number(draft.key_file.cost.r); }},
    {"p", [](JsonCursor& in, Draft& draft) { return in.number(draft.key_file.cost.p); }},
    {"salt", [](JsonCursor& in, Draft& draft) { return read_base64(in, draft.key_file.salt); }},
    {"data",
     [](JsonCursor& in, Draft& draft) { return read_base64(in, draft.key_file.sealed_master); }},
};

// Secrets in the middle of decoding: wiped at the end of the scope.
struct MasterDraft {
  Bytes encrypt, mac_k, mac_r;
  ~MasterDraft() {
    for (auto* part : {&encrypt, &mac_k, &mac_r}) OPENSSL_cleanse(part->data(), part->size());
  }
};

constexpr JsonField<MasterDraft> mac_fields[] = {
    {"k", [](JsonCursor& in, MasterDraft& into) { return read_base64(in, into.mac_k); }},
    {"r", [](JsonCursor& in, MasterDraft& into) { return read_base64(in, into.mac_r); }},
};

constexpr JsonField<MasterDraft> master_fields[] = {
    {"mac", [](JsonCursor& in, MasterDraft& into) { return read_object(in, into, mac_fields); }},
    {"encrypt", [](JsonCursor& in, MasterDraft& into) { return read_base64(in, into.encrypt); }},
};

bool is_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool take_part(const Bytes& from, MutableByteView to) {
  if (from.size() != to.size() || is_zero(from)) return false;
  std::copy(from.begin(), from.end(), to.begin());
  return true;
}

void append_base64_member(Secret& json, std::size_t& at, std::string_view before, ByteView part) {
  std::string text = to_base64(part);
  MutableByteView room = json.reveal().subspan(at);
  std::copy(before.begin(), before.end(), room.begin());
  std::copy(text.begin(), text.end(), room.subspan(before.size()).begin());
  at += before.size() + text.size();
  OPENSSL_cleanse(text.data(), text.size());
}

bool is_space(std::uint8_t byte) {
  return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

}  // namespace

Result<void> check_scrypt_cost(const ScryptCost& cost) {
  const bool is_power_of_two = cost.n >= 2 && (cost.n & (cost.n - 1)) == 0;
  if (!is_power_of_two || cost.n > 0x7FFFFFFF || cost.r == 0 || cost.p == 0)
    return fail(ErrorCode::malformed,
                fmt::format("scrypt parameters N={} r={} p={}", cost.n, cost.r, cost.p));
  // Each product is checked before the next is formed: none of them can overflow.
  const bool is_small = cost.r <= 0x3FFFFFFF && std::uint64_t{cost.r} * cost.p < 0x40000000 &&
                        cost.n * cost.r <= scrypt_memory_bytes_max / 128 &&
                        std::uint64_t{cost.r} * cost.p <= scrypt_memory_bytes_max / 128 &&
                        cost.n * cost.r * cost.p <= scrypt_work_max;
  if (!is_small)
    return fail(ErrorCode::limit_exceeded,
                fmt::format("scrypt parameters N={} r={} p={} cost more than this program spends "
                            "on a key file",
                            cost.n, cost.r, cost.p));
  return {};
}

Bytes encode_key_file(const KeyFile& key_file) {
  JsonText out;
  out.begin_object();
  if (key_file.created) {
    out.key("created");
    out.time(*key_file.created);
  }
  out.key("username");
  out.string(key_file.username);
  out.key("hostname");
  out.string(key_file.hostname);
  out.key("kdf");
  out.string_unescaped("scrypt");
  out.key("N");
  out.number(key_file.cost.n);
  out.key("r");
  out.number(key_file.cost.r);
  out.key("p");
  out.number(key_file.cost.p);
  out.key("salt");
  out.base64(key_file.salt);
  out.key("data");
  out.base64(key_file.sealed_master);
  out.end_object();
  return out.take();
}

Result<KeyFile> decode_key_file(ByteView json) {
  if (json.size() > key_file_bytes_max)
    return fail(ErrorCode::limit_exceeded, fmt::format("key file of {} bytes", json.size()));
  JsonCursor in(as_text(json));
  Draft draft;
  draft.key_file.cost = {0, 0, 0};
  if (read_object(in, draft, key_fields) && !in.at_end()) in.fail_here("text after the key file");
  TRY(in.status("key file"));
  if (draft.kdf != "scrypt")
    return fail(ErrorCode::unsupported,
                fmt::format("key file: key derivation \"{}\"", draft.kdf.substr(0, 32)));
  TRY(check_scrypt_cost(draft.key_file.cost));
  if (draft.key_file.salt.size() != key_salt_bytes)
    return fail(ErrorCode::malformed, fmt::format("key file: salt of {} bytes instead of {}",
                                                  draft.key_file.salt.size(), key_salt_bytes));
  return std::move(draft.key_file);
}

Result<MasterKey> derive_key(const Secret& password, ByteView salt, const ScryptCost& cost) {
  TRY(check_scrypt_cost(cost));
  if (password.reveal().size() > password_bytes_max)
    return fail(ErrorCode::limit_exceeded, "the password is too long");
  // What OpenSSL counts against its limit, with room for its rounding.
  const std::uint64_t memory_bytes = 128 * cost.r * (cost.n + cost.p + 2) + 4096;
  const std::array<std::uint8_t, 64> zeros{};
  Secret derived{ByteView(zeros)};
  const auto* const text = reinterpret_cast<const char*>(password.reveal().data());
  const int done = EVP_PBE_scrypt(text == nullptr ? "" : text, password.reveal().size(),
                                  salt.data(), salt.size(), cost.n, cost.r, cost.p, memory_bytes,
                                  derived.reveal().data(), derived.reveal().size());
  if (done != 1) return fail(ErrorCode::failed, "scrypt failed, probably for lack of memory");
  MasterKey key;
  const ByteView bytes = std::as_const(derived).reveal();
  std::copy_n(bytes.begin(), 32, key.encrypt.begin());
  std::copy_n(bytes.begin() + 32, 16, key.mac_k.begin());
  std::copy_n(bytes.begin() + 48, 16, key.mac_r.begin());
  return key;
}

Result<MasterKey> open_key_file(const KeyFile& key_file, const Secret& password) {
  if (key_file.sealed_master.size() < seal_overhead_bytes)
    return fail(ErrorCode::malformed, "key file: the sealed master key is too short");
  const MasterKey user_key = TRY(derive_key(password, key_file.salt, key_file.cost));
  Secret json{ByteView(key_file.sealed_master)};
  const std::size_t plain_bytes = key_file.sealed_master.size() - seal_overhead_bytes;
  const auto opened = open_in_place(user_key, json.reveal());
  if (!opened.has_value())
    return fail(ErrorCode::wrong_key, "the password does not open this key file");
  return decode_master_key(
      Secret(std::as_const(json).reveal().subspan(seal_iv_bytes, plain_bytes)));
}

Result<KeyFile> make_key_file(const MasterKey& master, const Secret& password,
                              const KeyAuthor& author, Rng& rng, const ScryptCost& cost) {
  KeyFile key_file{author.created, author.username, author.hostname, cost, {}, {}};
  key_file.salt.resize(key_salt_bytes);
  rng.fill(key_file.salt);
  const MasterKey user_key = TRY(derive_key(password, key_file.salt, cost));
  const Secret json = encode_master_key(master);
  SealIv iv{};
  rng.fill(iv);
  key_file.sealed_master.resize(json.reveal().size() + seal_overhead_bytes);
  TRY(seal_into(user_key, iv, json.reveal(), key_file.sealed_master));
  return key_file;
}

Result<MasterKey> make_master_key(Rng& rng) {
  MasterKey key;
  rng.fill(key.encrypt);
  rng.fill(key.mac_k);
  rng.fill(key.mac_r);
  if (is_zero(key.encrypt) || is_zero(key.mac_k) || is_zero(key.mac_r))
    return fail(ErrorCode::failed, "the source of chance gives zeros");
  return key;
}

Secret encode_master_key(const MasterKey& key) {
  constexpr std::size_t master_json_bytes = 128;
  const std::array<std::uint8_t, master_json_bytes> room{};
  Secret json{ByteView(room)};
  std::size_t at = 0;
  append_base64_member(json, at, R"({"mac":{"k":")", key.mac_k);
  append_base64_member(json, at, R"(","r":")", key.mac_r);
  append_base64_member(json, at, R"("},"encrypt":")", key.encrypt);
  append_base64_member(json, at, R"("})", {});
  return json;
}

Result<MasterKey> decode_master_key(const Secret& json) {
  JsonCursor in(as_text(json.reveal()));
  MasterDraft draft;
  if (!read_object(in, draft, master_fields)) return fail(ErrorCode::malformed, "bad master key");
  MasterKey key;
  if (!take_part(draft.encrypt, key.encrypt) || !take_part(draft.mac_k, key.mac_k) ||
      !take_part(draft.mac_r, key.mac_r))
    return fail(ErrorCode::malformed, "a part of the master key is missing, too short or zero");
  return key;
}

Secret trim_password(const Secret& password) {
  constexpr std::array<std::uint8_t, 3> byte_order_mark = {0xEF, 0xBB, 0xBF};
  ByteView bytes = password.reveal();
  if (bytes.size() >= 3 &&
      std::equal(byte_order_mark.begin(), byte_order_mark.end(), bytes.begin()))
    bytes = bytes.subspan(3);
  while (!bytes.empty() && is_space(bytes.front())) bytes = bytes.subspan(1);
  while (!bytes.empty() && is_space(bytes.back())) bytes = bytes.first(bytes.size() - 1);
  return Secret(bytes);
}

}  // namespace holdfast::repo
