#include <bson/bson.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>

#include "base/time_text.hpp"
#include "bson/builder.hpp"
#include "bson/ext_json.hpp"
#include "bson/json_cursor.hpp"

namespace holdfast::bson {

namespace {

template <class T>
Bytes raw_of(T value) {
  Bytes raw(sizeof value);
  store_le(raw.data(), value);
  return raw;
}

Bytes raw_text(std::string_view text) {
  Bytes raw = raw_of(static_cast<std::uint32_t>(text.size() + 1));
  append(raw, as_bytes(text));
  raw.push_back(0);
  return raw;
}

template <class T>
bool read_whole(std::string_view text, T& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// "12", "-1.5e3": what std::from_chars takes, without its "inf" and "nan".
bool read_double(std::string_view text, double& out) {
  if (text == "NaN") out = std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") out = std::numeric_limits<double>::infinity();
  if (text == "-Infinity") out = -std::numeric_limits<double>::infinity();
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") return true;
  if (text.find_first_not_of("+-.0123456789eE") != std::string_view::npos) return false;
  return read_whole(text, out);
}

Result<Bytes> uuid_bytes(std::string_view text) {
  std::string digits;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
    if (dash != (text[at] == '-')) return fail(ErrorCode::malformed, "not a UUID");
    if (!dash) digits += text[at];
  }
  if (digits.size() != 32) return fail(ErrorCode::malformed, "not a UUID");
  return from_hex(digits);
}

constexpr std::string_view text_wrappers[] = {
    "$oid", "$numberInt", "$numberLong", "$numberDouble", "$numberDecimal", "$uuid", "$symbol"};
constexpr std::string_view other_wrappers[] = {
    "$code", "$binary", "$timestamp", "$regularExpression", "$dbPointer",
    "$date", "$minKey", "$maxKey",    "$undefined"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Parser {
 public:
  explicit Parser(std::string_view text) : cursor_(text) {}

  Result<Bytes> document(std::size_t bytes_max) {
    TRY(cursor_.expect('{'));
    if (!cursor_.take('}')) {
      std::string first = TRY(key());
      TRY(members(std::move(first), 0));
    }
    return finish(bytes_max);
  }

  Result<Bytes> single_value() {
    TRY(value("", 0));
    return finish(document_bytes_max);
  }

 private:
  using Member = std::function<Result<void>(const std::string& name)>;

  Result<Bytes> finish(std::size_t bytes_max) {
    TRY(cursor_.expect_end());
    Bytes bytes = builder_.take();
    if (bytes.size() > bytes_max)
      return fail(
          ErrorCode::limit_exceeded,
          fmt::format("json: the document has {} bytes, the limit is {}", bytes.size(), bytes_max));
    return bytes;
  }

  Result<std::string> key() {
    std::string name = TRY(cursor_.string());
    if (name.find('\0') != std::string::npos) return cursor_.wrong("a zero byte in a field name");
    TRY(cursor_.expect(':'));
    return name;
  }

  // Everything behind the first key of an object, its '}' included.
  Result<void> members(std::string name, int depth) {
    while (true) {
      TRY(value(name, depth));
      if (cursor_.take('}')) return {};
      TRY(cursor_.expect(','));
      name = TRY(key());
    }
  }

  Result<void> value(const std::string& name, int depth) {
    switch (cursor_.peek()) {
      case '{':
        return object(name, depth + 1);
      case '[':
        return array(name, depth + 1);
      case '"':
        return text(name);
      case 't':
        builder_.append_bool(name, true);
        return cursor_.expect_word("true");
      case 'f':
        builder_.append_bool(name, false);
        return cursor_.expect_word("false");
      case 'n':
        builder_.append_null(name);
        return cursor_.expect_word("null");
      default:
        return number(name);
    }
  }

  Result<void> text(const std::string& name) {
    const std::string text = TRY(cursor_.string());
    builder_.append_text(name, text);
    return {};
  }

  Result<void> number(const std::string& name) {
    const std::string_view text = TRY(cursor_.number());
    if (text.find_first_of(".eE") == std::string_view::npos) {
      std::int32_t narrow = 0;
      std::int64_t wide = 0;
      if (read_whole(text, narrow)) {
        builder_.append_int32(name, narrow);
        return {};
      }
      if (read_whole(text, wide)) {
        builder_.append_int64(name, wide);
        return {};
      }
    }
    double real = 0;
    if (!read_double(text, real)) return cursor_.wrong("a number out of range before");
    builder_.append_double(name, real);
    return {};
  }

  Result<void> array(const std::string& name, int depth) {
    if (depth > depth_max) return cursor_.wrong("nesting deeper than 200 levels");
    TRY(cursor_.expect('['));
    builder_.begin_array(name);
    if (!cursor_.take(']')) {
      std::size_t index = 0;
      do {
        TRY(value(std::to_string(index++), depth));
      } while (cursor_.take(','));
      TRY(cursor_.expect(']'));
    }
    builder_.end();
    return {};
  }

  Result<void> object(const std::string& name, int depth) {
    if (depth > depth_max) return cursor_.wrong("nesting deeper than 200 levels");
    TRY(cursor_.expect('{'));
    if (cursor_.take('}')) {
      builder_.begin_document(name);
      builder_.end();
      return {};
    }
    std::string first = TRY(key());
    if (first.starts_with('$')) {
      const bool taken = TRY(wrapper(first, name, depth));
      if (taken) return {};
    }
    builder_.begin_document(name);
    TRY(members(std::move(first), depth));
    builder_.end();
    return {};
  }

  // {"$numberInt": "1"} and its like. False when `kind` is just a field name.
  Result<bool> wrapper(const std::string& kind, const std::string& name, int depth) {
    const bool known = TRY(text_wrapped(kind, name));
    if (known) return closed();
    if (!contains(other_wrappers, kind)) return false;
    TRY(wrapped(kind, name, depth));
    return closed();
  }

  Result<void> wrapped(const std::string& kind, const std::string& name, int depth) {
    if (kind == "$code") return code(name, depth);
    if (kind == "$binary") return binary(name);
    if (kind == "$timestamp") return timestamp(name);
    if (kind == "$regularExpression") return regex(name);
    if (kind == "$dbPointer") return db_pointer(name);
    if (kind == "$date") return date(name);
    if (kind == "$minKey") return constant(name, Type::min_key, "1");
    if (kind == "$maxKey") return constant(name, Type::max_key, "1");
    return constant(name, Type::undefined, "true");
  }

  Result<bool> closed() {
    TRY(cursor_.expect('}'));
    return true;
  }

  Result<void> put(const std::string& name, Type type, const Bytes& raw) {
    builder_.append(name, Value{type, raw});
    return {};
  }

  Result<void> constant(const std::string& name, Type type, std::string_view word) {
    TRY(cursor_.expect_word(word));
    return put(name, type, {});
  }

  // The wrappers around one JSON string.
  Result<bool> text_wrapped(const std::string& kind, const std::string& name) {
    if (!contains(text_wrappers, kind)) return false;
    const std::string text = TRY(cursor_.string());
    TRY(from_text(kind, name, text));
    return true;
  }

  Result<void> from_text(const std::string& kind, const std::string& name,
                         const std::string& text) {
    if (kind == "$oid") return object_id(name, text);
    if (kind == "$numberInt") return integer<std::int32_t>(name, Type::int32, text);
    if (kind == "$numberLong") return integer<std::int64_t>(name, Type::int64, text);
    if (kind == "$numberDouble") return real(name, text);
    if (kind == "$numberDecimal") return decimal(name, text);
    if (kind == "$uuid") return uuid(name, text);
    return put(name, Type::symbol, raw_text(text));
  }

  Result<void> object_id(const std::string& name, const std::string& text) {
    const auto bytes = from_hex(text);
    constexpr std::size_t digits = 24;
    if (!bytes.has_value() || text.size() != digits) return cursor_.wrong("not an ObjectId before");
    return put(name, Type::object_id, *bytes);
  }

  template <class T>
  Result<void> integer(const std::string& name, Type type, const std::string& text) {
    T number = 0;
    if (!read_whole(text, number)) return cursor_.wrong("not an integer of that size before");
    return put(name, type, raw_of(number));
  }

  Result<void> real(const std::string& name, const std::string& text) {
    double number = 0;
    if (!read_double(text, number)) return cursor_.wrong("not a double before");
    return put(name, Type::double_, raw_of(number));
  }

  Result<void> decimal(const std::string& name, const std::string& text) {
    constexpr std::size_t text_bytes_max = 100;
    bson_decimal128_t number;
    if (text.size() > text_bytes_max ||
        !bson_decimal128_from_string_w_len(text.data(), static_cast<int>(text.size()), &number))
      return cursor_.wrong("not a decimal before");
    Bytes raw = raw_of(number.low);
    append(raw, raw_of(number.high));
    return put(name, Type::decimal128, raw);
  }

  Result<void> uuid(const std::string& name, const std::string& text) {
    const auto bytes = uuid_bytes(text);
    if (!bytes.has_value()) return cursor_.wrong("not a UUID before");
    constexpr std::uint8_t uuid_subtype = 4;
    builder_.append_binary(name, uuid_subtype, *bytes);
    return {};
  }

  // {"a": .., "b": ..} with exactly these two members in either order.
  Result<void> both(std::string_view a, std::string_view b, const Member& read) {
    TRY(cursor_.expect('{'));
    const std::string first = TRY(key());
    if (first != a && first != b) return cursor_.wrong("an unexpected member before");
    TRY(read(first));
    TRY(cursor_.expect(','));
    const std::string second = TRY(key());
    if (second != (first == a ? b : a)) return cursor_.wrong("an unexpected member before");
    TRY(read(second));
    return cursor_.expect('}');
  }

  Result<void> binary(const std::string& name) {
    Bytes content;
    std::uint32_t subtype = 0;
    const Member read = [&](const std::string& member) -> Result<void> {
      const std::string text = TRY(cursor_.string());
      if (member == "base64") {
        auto decoded = from_base64(text);
        if (!decoded.has_value()) return cursor_.wrong("not base64 before");
        content = std::move(*decoded);
        return {};
      }
      const char* end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data(), end, subtype, 16);
      if (parsed.ec != std::errc() || parsed.ptr != end || text.size() > 2)
        return cursor_.wrong("not a binary subtype before");
      return {};
    };
    TRY(both("base64", "subType", read));
    builder_.append_binary(name, static_cast<std::uint8_t>(subtype), content);
    return {};
  }

  Result<void> timestamp(const std::string& name) {
    Timestamp time;
    const Member read = [&](const std::string& member) -> Result<void> {
      const std::string_view text = TRY(cursor_.number());
      if (!read_whole(text, member == "t" ? time.seconds : time.ordinal))
        return cursor_.wrong("not an unsigned 32-bit number before");
      return {};
    };
    TRY(both("t", "i", read));
    builder_.append_timestamp(name, time);
    return {};
  }

  Result<void> regex(const std::string& name) {
    std::string pattern;
    std::string options;
    const Member read = [&](const std::string& member) -> Result<void> {
      std::string text = TRY(cursor_.string());
      if (text.find('\0') != std::string::npos)
        return cursor_.wrong("a zero byte in a regular expression before");
      (member == "pattern" ? pattern : options) = std::move(text);
      return {};
    };
    TRY(both("pattern", "options", read));
    Bytes raw = to_bytes(as_bytes(pattern));
    raw.push_back(0);
    append(raw, as_bytes(options));
    raw.push_back(0);
    return put(name, Type::regex, raw);
  }

  Result<void> db_pointer(const std::string& name) {
    std::string target;
    Bytes id;
    const Member read = [&](const std::string& member) -> Result<void> {
      if (member == "$ref") {
        target = TRY(cursor_.string());
        return {};
      }
      TRY(cursor_.expect('{'));
      const std::string kind = TRY(key());
      const std::string text = TRY(cursor_.string());
      auto decoded = from_hex(text);
      constexpr std::size_t id_bytes = 12;
      if (kind != "$oid" || !decoded.has_value() || decoded->size() != id_bytes)
        return cursor_.wrong("not an ObjectId before");
      id = std::move(*decoded);
      return cursor_.expect('}');
    };
    TRY(both("$ref", "$id", read));
    Bytes raw = raw_text(target);
    append(raw, id);
    return put(name, Type::db_pointer, raw);
  }

  Result<void> date(const std::string& name) {
    if (cursor_.peek() == '"') {
      const std::string text = TRY(cursor_.string());
      const auto time = parse_time(text);
      if (!time.has_value()) return cursor_.wrong("not a time before");
      return put(name, Type::date, raw_of(time->seconds * 1000 + time->nanoseconds / 1'000'000));
    }
    TRY(cursor_.expect('{'));
    const std::string kind = TRY(key());
    if (kind != "$numberLong") return cursor_.wrong("not a date before");
    const std::string text = TRY(cursor_.string());
    TRY(integer<std::int64_t>(name, Type::date, text));
    return cursor_.expect('}');
  }

  Result<void> code(const std::string& name, int depth) {
    const std::string text = TRY(cursor_.string());
    if (!cursor_.take(',')) return put(name, Type::code, raw_text(text));
    const std::string member = TRY(key());
    if (member != "$scope" || cursor_.peek() != '{') return cursor_.wrong("a scope is missing");
    // The scope is built as an element of a document of its own, then moved behind the code.
    Builder outer;
    std::swap(outer, builder_);
    const auto scoped = value("", depth);
    std::swap(outer, builder_);
    if (!scoped.has_value()) return fail(scoped.error());
    const Value scope = (*outer.finish().begin()).value;
    if (scope.type != Type::document) return cursor_.wrong("a scope is not a document before");
    const Bytes script = raw_text(text);
    Bytes raw = raw_of(static_cast<std::uint32_t>(4 + script.size() + scope.bytes.size()));
    append(raw, script);
    append(raw, scope.bytes);
    return put(name, Type::code_with_scope, raw);
  }

  JsonCursor cursor_;
  Builder builder_;
};

Result<void> check_size(std::string_view text) {
  if (text.size() <= json_bytes_max) return {};
  return fail(ErrorCode::limit_exceeded,
              fmt::format("json: {} bytes of text, the limit is {}", text.size(), json_bytes_max));
}

}  // namespace

Result<Bytes> parse_ext_json(std::string_view text, std::size_t bytes_max) {
  TRY(check_size(text));
  return Parser(text).document(bytes_max);
}

Result<Bytes> parse_ext_json_value(std::string_view text) {
  TRY(check_size(text));
  return Parser(text).single_value();
}

}  // namespace holdfast::bson
