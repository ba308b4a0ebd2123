#include "repo/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "base/check.hpp"
#include "repo/processor.hpp"
#include "repo/sha256_lanes.hpp"

namespace holdfast::repo {

// A job that has fewer lanes at work than this is faster in the narrower ones: sixteen lanes cost
// about as much as ten messages in pairs or fours (bench/hot_loops_bench.cpp).
constexpr std::size_t avx512_active_min = 9;

Sha256Job::Sha256Job(const Sha256Midstate& before, ByteView rest, Digest& result)
    : at(rest.data()),
      block_count(rest.size() / sha256_block_bytes),
      state(before.state),
      bytes_(rest),
      message_bytes_(before.bytes + rest.size()),
      digest_(&result),
      wants_padding_(true) {
  if (block_count == 0) pad();
}

Sha256Job::Sha256Job(Sha256Midstate& message, ByteView blocks)
    : at(blocks.data()),
      block_count(blocks.size() / sha256_block_bytes),
      state(message.state),
      bytes_(blocks),
      message_bytes_(message.bytes + blocks.size()),
      midstate_(&message),
      wants_padding_(false) {}

void Sha256Job::advance(std::size_t blocks) {
  at += blocks * sha256_block_bytes;
  block_count -= blocks;
  if (block_count == 0 && wants_padding_) pad();
}

// The rest, a one bit, zeros, and the length in bits in the last eight bytes of a block.
void Sha256Job::pad() {
  const auto rest = bytes_.last(bytes_.size() % sha256_block_bytes);
  wants_padding_ = false;
  block_count = rest.size() + 9 > sha256_block_bytes ? 2 : 1;
  at = padding_.data();
  padding_.fill(0);
  std::copy(rest.begin(), rest.end(), padding_.begin());
  padding_[rest.size()] = 0x80;
  store_be64(padding_.data() + block_count * sha256_block_bytes - 8, message_bytes_ * 8);
}

void Sha256Job::publish() {
  if (midstate_ != nullptr) *midstate_ = {state, message_bytes_};
  if (digest_ == nullptr) return;
  for (std::size_t word = 0; word < state.size(); ++word)
    store_be32(digest_->data() + 4 * word, state[word]);
}

namespace {

// Each width takes over what the wider one left, down to a single message.
template <std::size_t lane_count>
void run_sha_ni(std::span<Sha256Job*> jobs) {
  Lanes<lane_count> lanes(jobs);
  const auto compress = [](auto& states, const auto& blocks, std::size_t block_count) {
    compress_sha_ni(states, blocks, block_count);
  };
  lanes.run(compress, lane_count / 2);
  if constexpr (lane_count > 1) {
    std::array<Sha256Job*, lane_count> unfinished;
    const std::size_t count = lanes.unload(unfinished);
    run_sha_ni<lane_count / 2>(std::span(unfinished).first(count));
  }
}

void run_avx512(std::span<Sha256Job*> jobs) {
  Lanes<16> lanes(jobs);
  lanes.run(compress_avx512, avx512_active_min - 1);
  std::array<Sha256Job*, 16> unfinished;
  const std::size_t count = lanes.unload(unfinished);
  run_sha_ni<4>(std::span(unfinished).first(count));
}

// Longest first: then the lanes end at about the same time.
void run_in_lanes(std::span<Sha256Job*> jobs, Sha256Engine engine) {
  std::stable_sort(jobs.begin(), jobs.end(), [](const auto* left, const auto* right) {
    return left->block_count > right->block_count;
  });
  if (engine == Sha256Engine::avx512) return run_avx512(jobs);
  run_sha_ni<4>(jobs);
}

struct FreeDigestContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigestContext>;

const EVP_MD* openssl_sha256() {
  static const EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);  // kept for ever
  return fetched;
}

void begin(EVP_MD_CTX* context) {
  CHECK(EVP_DigestInit_ex2(context, openssl_sha256(), nullptr) == 1);
}

Digest finish_in(EVP_MD_CTX* context) {
  Digest digest;
  CHECK(EVP_DigestFinal_ex(context, digest.data(), nullptr) == 1);
  return digest;
}

Digest sha256_by_openssl(ByteView message) {
  thread_local const DigestContext context(EVP_MD_CTX_new());
  begin(context.get());
  CHECK(EVP_DigestUpdate(context.get(), message.data(), message.size()) == 1);
  return finish_in(context.get());
}

}  // namespace

bool is_available(Sha256Engine engine) {
  if (engine == Sha256Engine::sha_ni) return processor_has_sha();
  return engine == Sha256Engine::openssl || (processor_has_avx512() && processor_has_sha());
}

Sha256Engine best_sha256_engine() {
  if (is_available(Sha256Engine::avx512)) return Sha256Engine::avx512;
  return is_available(Sha256Engine::sha_ni) ? Sha256Engine::sha_ni : Sha256Engine::openssl;
}

bool can_hash_in_parts() {
  return processor_has_sha();
}

Digest sha256(ByteView message) {
  return sha256(Sha256Midstate{}, message);
}

Digest sha256(const Sha256Midstate& before, ByteView rest) {
  if (!processor_has_sha()) {
    CHECK(before.bytes == 0);
    return sha256_by_openssl(rest);
  }
  Digest digest;
  Sha256Job job(before, rest, digest);
  Sha256Job* jobs[] = {&job};
  run_sha_ni<1>(jobs);
  return digest;
}

void Sha256Job::hash_by_openssl() {
  CHECK(digest_ != nullptr);
  *digest_ = sha256_by_openssl(bytes_);
}

void sha256_many(std::span<const ByteView> messages, std::span<Digest> digests,
                 Sha256Engine engine) {
  CHECK(messages.size() == digests.size());
  Sha256Batch batch;
  for (std::size_t i = 0; i < messages.size(); ++i) batch.add(messages[i], digests[i]);
  batch.run(engine);
}

struct Sha256Batch::Jobs {
  std::deque<Sha256Job> all;  // which leaves them where they are
  std::vector<Sha256Job*> order;
};

Sha256Batch::Sha256Batch() : jobs_(std::make_unique<Jobs>()) {}
Sha256Batch::Sha256Batch(Sha256Batch&&) noexcept = default;
Sha256Batch& Sha256Batch::operator=(Sha256Batch&&) noexcept = default;
Sha256Batch::~Sha256Batch() = default;

void Sha256Batch::add(ByteView message, Digest& digest) {
  jobs_->order.push_back(&jobs_->all.emplace_back(message, digest));
}

void Sha256Batch::extend(Sha256Midstate& message, ByteView blocks) {
  CHECK(can_hash_in_parts() && blocks.size() % sha256_block_bytes == 0);
  if (!blocks.empty()) jobs_->order.push_back(&jobs_->all.emplace_back(message, blocks));
}

void Sha256Batch::run(Sha256Engine engine) {
  CHECK(is_available(engine));
  if (engine == Sha256Engine::openssl)
    for (auto& job : jobs_->all) job.hash_by_openssl();
  else
    run_in_lanes(jobs_->order, engine);
  jobs_->order.clear();
  jobs_->all.clear();
}

struct Sha256Stream::State {
  DigestContext context{EVP_MD_CTX_new()};
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {
  begin(state_->context.get());
}

Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;
Sha256Stream::~Sha256Stream() = default;

void Sha256Stream::update(ByteView piece) {
  clear_upper_halves();
  CHECK(EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) == 1);
}

Digest Sha256Stream::finish() {
  const Digest digest = finish_in(state_->context.get());
  begin(state_->context.get());
  return digest;
}

}  // namespace holdfast::repo
