#include "repo/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "repo/processor.hpp"
#include "repo/sha256_lanes.hpp"

namespace holdfast::repo {

const std::array<std::uint32_t, 8> sha256_initial_state = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// A job that has fewer lanes at work than this is faster in the narrower ones: sixteen lanes cost
// about as much as ten messages in pairs or fours (bench/hot_loops_bench.cpp).
constexpr std::size_t avx512_active_min = 9;

Sha256Job::Sha256Job(ByteView message, Digest& result)
    : at(message.data()),
      block_count(message.size() / sha256_block_bytes),
      message_(message),
      digest_(&result) {
  if (block_count == 0) pad();
}

void Sha256Job::advance(std::size_t blocks) {
  at += blocks * sha256_block_bytes;
  block_count -= blocks;
  if (block_count == 0 && !is_padded_) pad();
}

// The rest, a one bit, zeros, and the length in bits in the last eight bytes of a block.
void Sha256Job::pad() {
  const auto rest = message_.last(message_.size() % sha256_block_bytes);
  is_padded_ = true;
  block_count = rest.size() + 9 > sha256_block_bytes ? 2 : 1;
  at = padding_.data();
  padding_.fill(0);
  std::copy(rest.begin(), rest.end(), padding_.begin());
  padding_[rest.size()] = 0x80;
  store_be64(padding_.data() + block_count * sha256_block_bytes - 8,
             std::uint64_t{message_.size()} * 8);
}

void Sha256Job::publish() const {
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

void run_jobs(std::span<Sha256Job> jobs, Sha256Engine engine) {
  std::vector<Sha256Job*> longest_first;
  longest_first.reserve(jobs.size());
  for (auto& job : jobs) longest_first.push_back(&job);
  std::stable_sort(
      longest_first.begin(), longest_first.end(),
      [](const auto* left, const auto* right) { return left->block_count > right->block_count; });
  if (engine == Sha256Engine::avx512) return run_avx512(longest_first);
  run_sha_ni<4>(longest_first);
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

Digest sha256(ByteView message) {
  if (!processor_has_sha()) return sha256_by_openssl(message);
  Digest digest;
  Sha256Job job(message, digest);
  Sha256Job* jobs[] = {&job};
  run_sha_ni<1>(jobs);
  return digest;
}

void sha256_many(std::span<const ByteView> messages, std::span<Digest> digests,
                 Sha256Engine engine) {
  CHECK(messages.size() == digests.size());
  CHECK(is_available(engine));
  if (engine == Sha256Engine::openssl) {
    for (std::size_t i = 0; i < messages.size(); ++i) digests[i] = sha256_by_openssl(messages[i]);
    return;
  }
  std::vector<Sha256Job> jobs;
  jobs.reserve(messages.size());
  for (std::size_t i = 0; i < messages.size(); ++i) jobs.emplace_back(messages[i], digests[i]);
  run_jobs(jobs, engine);
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
  CHECK(EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) == 1);
}

Digest Sha256Stream::finish() {
  const Digest digest = finish_in(state_->context.get());
  begin(state_->context.get());
  return digest;
}

}  // namespace holdfast::repo
