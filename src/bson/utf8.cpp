#include "bson/utf8.hpp"

namespace holdfast::bson {

namespace {

struct LeadByte {
  std::size_t length = 0;
  unsigned second_min = 0x80;
  unsigned second_max = 0xBF;
};

// Unicode table 3-7: which second bytes each first byte allows.
LeadByte classify(unsigned lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {.length = 2};
  if (lead == 0xE0) return {.length = 3, .second_min = 0xA0};
  if (lead == 0xED) return {.length = 3, .second_max = 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {.length = 3};
  if (lead == 0xF0) return {.length = 4, .second_min = 0x90};
  if (lead >= 0xF1 && lead <= 0xF3) return {.length = 4};
  if (lead == 0xF4) return {.length = 4, .second_max = 0x8F};
  return {};
}

}  // namespace

std::size_t utf8_sequence_bytes(std::string_view text) {
  const auto byte_at = [text](std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(text[at]));
  };
  if (byte_at(0) < 0x80) return 1;
  const LeadByte lead = classify(byte_at(0));
  if (lead.length == 0 || text.size() < lead.length) return 0;
  if (byte_at(1) < lead.second_min || byte_at(1) > lead.second_max) return 0;
  for (std::size_t at = 2; at < lead.length; ++at) {
    if ((byte_at(at) & 0xC0) != 0x80) return 0;
  }
  return lead.length;
}

void append_utf8(std::uint32_t code_point, std::string& to) {
  const auto tail = [&](unsigned shift) {
    to.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)));
  };
  if (code_point < 0x80) {
    to.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    to.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    tail(0);
  } else if (code_point < 0x10000) {
    to.push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    tail(6);
    tail(0);
  } else {
    to.push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace holdfast::bson
