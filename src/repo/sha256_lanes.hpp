#pragma once
// Several SHA-256 messages side by side, one per lane. The compression functions advance all lanes
// by the same number of 64-byte blocks; Lanes keeps them filled, whatever the messages' lengths.
// Internal to sha256.cpp. Source of the hash: FIPS 180-4.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"
#include "repo/sha256.hpp"

namespace holdfast::repo {

// Word w of the state of lane l is words[w][l].
template <std::size_t lane_count>
struct LaneStates {
  alignas(64) std::uint32_t words[8][lane_count];
};

template <std::size_t lane_count>
using LaneBlocks = std::array<const std::uint8_t*, lane_count>;

// Hashes block_count blocks from blocks[l] on into lane l. REQUIRES: processor_has_sha().
void compress_sha_ni(LaneStates<1>& states, const LaneBlocks<1>& blocks, std::size_t block_count);
void compress_sha_ni(LaneStates<2>& states, const LaneBlocks<2>& blocks, std::size_t block_count);
void compress_sha_ni(LaneStates<4>& states, const LaneBlocks<4>& blocks, std::size_t block_count);

// REQUIRES: processor_has_avx512().
void compress_avx512(LaneStates<16>& states, const LaneBlocks<16>& blocks, std::size_t block_count);

// A message and how far it is: first its whole blocks where they lie, then, unless only blocks were
// asked for, the rest with the padding, which has one or two blocks of its own. Not movable.
class Sha256Job {
 public:
  // A whole message, or the part of one that follows what was hashed before.
  Sha256Job(ByteView message, Digest& result) : Sha256Job(Sha256Midstate{}, message, result) {}
  Sha256Job(const Sha256Midstate& before, ByteView rest, Digest& result);
  // Blocks in the middle of a message. REQUIRES: at least one, and nothing else.
  Sha256Job(Sha256Midstate& message, ByteView blocks);
  Sha256Job(const Sha256Job&) = delete;
  Sha256Job& operator=(const Sha256Job&) = delete;

  bool is_done() const { return block_count == 0; }
  void advance(std::size_t blocks);  // REQUIRES: blocks <= block_count
  void publish();                    // REQUIRES: is_done()
  void hash_by_openssl();            // instead of all this

  const std::uint8_t* at;   // the next block
  std::size_t block_count;  // that lie there in a row
  std::array<std::uint32_t, 8> state;

 private:
  void pad();

  ByteView bytes_;
  std::uint64_t message_bytes_;  // that of the padding
  Digest* digest_ = nullptr;
  Sha256Midstate* midstate_ = nullptr;
  bool wants_padding_;
  std::array<std::uint8_t, 2 * sha256_block_bytes> padding_;
};

// Runs jobs in `lane_count` lanes. A lane whose message ends gets the next job at once.
template <std::size_t lane_count>
class Lanes {
 public:
  explicit Lanes(std::span<Sha256Job*> jobs) : waiting_(jobs) {
    for (std::size_t lane = 0; lane < lane_count; ++lane) refill(lane);
  }

  // Until no job waits and at most `active_max` lanes are at work.
  template <class Compress>
  void run(Compress compress, std::size_t active_max) {
    while (active_count() > active_max || !waiting_.empty()) step(compress);
  }

  // Takes the unfinished jobs out, with their states; how many.
  std::size_t unload(std::span<Sha256Job*, lane_count> unfinished) {
    std::size_t count = 0;
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      if (jobs_[lane] == nullptr) continue;
      store_state(lane);
      unfinished[count++] = jobs_[lane];
    }
    return count;
  }

 private:
  std::size_t active_count() const {
    return lane_count - static_cast<std::size_t>(std::count(jobs_.begin(), jobs_.end(), nullptr));
  }

  // All lanes go on by the shortest run of blocks among them. An idle lane hashes what another one
  // reads: its result is never looked at. REQUIRES: at least one lane is active.
  template <class Compress>
  void step(Compress compress) {
    const Sha256Job* shortest = nullptr;
    for (const auto* job : jobs_)
      if (job != nullptr && (shortest == nullptr || job->block_count < shortest->block_count))
        shortest = job;
    const std::size_t block_count = shortest->block_count;
    LaneBlocks<lane_count> blocks;
    for (std::size_t lane = 0; lane < lane_count; ++lane)
      blocks[lane] = jobs_[lane] != nullptr ? jobs_[lane]->at : shortest->at;
    compress(states_, blocks, block_count);
    for (std::size_t lane = 0; lane < lane_count; ++lane) advance(lane, block_count);
  }

  void advance(std::size_t lane, std::size_t block_count) {
    if (jobs_[lane] == nullptr) return;
    jobs_[lane]->advance(block_count);
    if (!jobs_[lane]->is_done()) return;
    store_state(lane);
    jobs_[lane]->publish();
    refill(lane);
  }

  void refill(std::size_t lane) {
    jobs_[lane] = nullptr;
    if (waiting_.empty()) return;
    jobs_[lane] = waiting_.front();
    waiting_ = waiting_.subspan(1);
    for (std::size_t word = 0; word < 8; ++word)
      states_.words[word][lane] = jobs_[lane]->state[word];
  }

  void store_state(std::size_t lane) {
    for (std::size_t word = 0; word < 8; ++word)
      jobs_[lane]->state[word] = states_.words[word][lane];
  }

  LaneStates<lane_count> states_{};
  std::array<Sha256Job*, lane_count> jobs_{};
  std::span<Sha256Job*> waiting_;
};

}  // namespace holdfast::repo
