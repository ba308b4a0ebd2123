#pragma once
// Reads JSON text front to back without building a tree of values, so that reading a directory of
// a million entries or a large index needs no memory of its own.
//
// As Go's decoder does: invalid UTF-8 and lone surrogate escapes in strings become U+FFFD, control
// characters in strings are refused, numbers keep their full 64 bits.
#include <vector>

#include "base/bytes.hpp"
#include "repo/json_text.hpp"

namespace holdfast::repo {

// Values may be nested so deep in what is skipped.
constexpr int json_depth_max = 100;

// A position in a text, which must outlive it. The first failure sticks: everything after returns
// false, and status() says what was wrong where. One thread.
//
//   in.enter_object(); while (in.next_key(key)) { ...read or skip the value... }
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : text_(text) {}

  bool enter_object();
  // False at the end of the object, which is then left behind, or on failure. The key is valid
  // until the next call.
  bool next_key(std::string_view& key);
  bool enter_array();
  bool next_item();  // as next_key

  // Each takes one value of just that kind, or fails.
  bool string(std::string& out);
  bool string_view(std::string_view& out);  // valid until the next call
  bool number(std::uint64_t& out);
  bool number(std::uint32_t& out);
  bool signed_number(std::int64_t& out);
  bool boolean(bool& out);
  bool raw(std::string_view& out);  // any value; its text as it stands
  bool skip();

  bool take_null();  // takes a null if there is one; never fails
  bool at_end();     // nothing but white space is left

  bool fail_here(const char* reason);  // a literal; always false
  bool failed() const { return reason_ != nullptr; }
  // `malformed`: "<what>: <reason> at offset 17".
  Result<void> status(std::string_view what) const;

 private:
  void skip_space();
  bool at(char byte) const { return position_ < text_.size() && text_[position_] == byte; }
  bool take(char byte);
  bool literal(std::string_view word);
  bool digits(std::uint64_t& out);
  bool number_text();
  bool skip_string();
  bool skip_value(int depth);
  bool skip_nested(int depth);
  bool string_with_escapes(std::size_t start, std::string& out);
  bool escape(std::string& out);
  bool unicode_escape(std::string& out);
  bool hex4(char32_t& out);

  std::string_view text_;
  std::size_t position_ = 0;
  const char* reason_ = nullptr;
  std::size_t failed_at_ = 0;
  bool fresh_ = false;  // just behind an opening bracket
  std::string scratch_;
};

// One known member of an object read into a T. `read` takes the value; null never reaches it.
template <class T>
struct JsonField {
  std::string_view name;
  bool (*read)(JsonCursor& in, T& into);
};

// Reads an object member by member. Members usually come in the order of the table, so the search
// starts behind the field found last. Unknown members go to `other` if given, else are skipped.
template <class T, std::size_t count>
bool read_object(JsonCursor& in, T& into, const JsonField<T> (&fields)[count],
                 std::vector<RawMember>* other = nullptr);

// Keeps a member to be written again; of equal names the last wins.
bool keep_member(JsonCursor& in, std::string_view name, std::vector<RawMember>& members);
// JSON text without white space between tokens. REQUIRES: valid JSON, as JsonCursor::raw gives.
std::string compact_json(std::string_view json);

bool read_strings(JsonCursor& in, std::vector<std::string>& out);  // an array of strings
bool read_base64(JsonCursor& in, Bytes& out);
bool read_time(JsonCursor& in, NodeTime& out);
bool read_hex32(JsonCursor& in, std::array<std::uint8_t, 32>& out);
template <class Tag>
bool read_id(JsonCursor& in, Id<Tag>& out) {
  return read_hex32(in, out.bytes);
}

template <class T, std::size_t count>
bool read_object(JsonCursor& in, T& into, const JsonField<T> (&fields)[count],
                 std::vector<RawMember>* other) {
  if (!in.enter_object()) return false;
  std::string_view key;
  std::size_t hint = 0;
  while (in.next_key(key)) {
    std::size_t tried = 0;
    while (tried < count && fields[hint].name != key) {
      hint = hint + 1 == count ? 0 : hint + 1;
      ++tried;
    }
    if (tried == count) {
      if (!(other ? keep_member(in, key, *other) : in.skip())) return false;
    } else if (!in.take_null() && !fields[hint].read(in, into)) {
      return false;
    }
  }
  return !in.failed();
}

}  // namespace holdfast::repo
