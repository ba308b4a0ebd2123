#pragma once
// Writes JSON exactly as Go's encoder does, which decides the ids of trees
// (docs/repository_format.md A9 "JSON strings"). Appending only, no tree of values in between.
#include "repo/ids.hpp"
#include "repo/node.hpp"

namespace holdfast::repo {

// An object member that this program does not know, kept to be written again as it was.
struct RawMember {
  std::string name;
  std::string value;  // compact JSON text
  friend bool operator==(const RawMember&, const RawMember&) = default;
};

// Collects text; commas are placed by itself. Ends are not checked: call begin/end in pairs.
// One thread. Reusable after take().
class JsonText {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  void key(std::string_view name);           // REQUIRES: plain ASCII without anything to escape
  void member_name(std::string_view name) {  // any key
    string(name);
    put(':');
    needs_comma_ = false;
  }

  void string(std::string_view text);            // escaped; invalid UTF-8 becomes \ufffd
  void string_unescaped(std::string_view text);  // REQUIRES: nothing in it needs escaping
  void name(std::string_view raw);               // quoted as a node name, then escaped
  void base64(ByteView bytes);
  void hex(ByteView bytes);
  void number(std::uint64_t value);
  void signed_number(std::int64_t value);
  void boolean(bool value) { raw(value ? "true" : "false"); }
  void null() { raw("null"); }
  void time(const NodeTime& time);
  void raw(std::string_view json);  // a whole value, as it is

  void line_end() { put('\n'); }

  std::size_t size() const { return size_; }
  ByteView view() const { return {buffer_.data(), size_}; }
  Bytes take();

 private:
  void reserve(std::size_t more) {
    if (buffer_.size() - size_ < more) grow(more);
  }
  void grow(std::size_t more);
  void put(char byte) {
    reserve(1);
    buffer_[size_++] = static_cast<std::uint8_t>(byte);
  }
  void put(std::string_view text) {
    reserve(text.size());
    std::memcpy(buffer_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  void separate() {
    if (needs_comma_) put(',');
    needs_comma_ = true;
  }
  void open(char bracket) {
    separate();
    put(bracket);
    needs_comma_ = false;
  }
  void close(char bracket) {
    put(bracket);
    needs_comma_ = true;
  }
  void put_escaped(std::string_view text);

  Bytes buffer_;  // longer than what is written
  std::size_t size_ = 0;
  bool needs_comma_ = false;
  std::string quoted_;  // scratch of name()
};

}  // namespace holdfast::repo
