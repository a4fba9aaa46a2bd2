// One signed request to an authority and everything it needs first, as a pure machine: what is to be asked comes out,
// what was answered goes in. What is learnt on the way (directory, account, nonces) stays in `Acquaintance`, so
// that the next passage is one request.
//
//   directory? ──▶ nonce? ──▶ account? ──▶ send ──▶ over
//                    ▲           │           │
//                    └─ badNonce ┴───────────┤   most_bad_nonces times
//                    └─ a new account ───────┘   once, when the authority no longer knows or takes ours
//
// Needs: passages of one authority run one after another.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "acme/answers.h"

namespace hale::acme {

inline constexpr int most_bad_nonces = 10;
inline constexpr std::size_t most_nonces_kept = 8;
inline constexpr int most_new_accounts = 1;  // Until one of them got a certificate.

struct Acquaintance {
    std::string directory_url;
    std::optional<Directory> directory;
    std::string account;  // Its URL; empty: none, or to be looked up by its key.
    std::deque<std::string> nonces;
    int new_accounts = 0;
    bool needs_fresh_key = false;  // The account of this key was closed.
};

inline constexpr int status_too_many_requests = 429, status_service_unavailable = 503;

enum class FailureKind : std::uint8_t {
    unreachable,   // No answer, or none of ACME's.
    refused,       // A problem document.
    invalid,       // The proof was not accepted.
    rate_limited,
    timed_out,
    ours,          // Configuration, disk, memory.
};
std::string_view text(FailureKind kind);

struct Failure {
    FailureKind kind = FailureKind::ours;
    std::string text;
    std::optional<Duration> retry_after;
    bool whole_authority = false;  // Not about one host: the authority is left alone for that time.
};

// What is asked in a passage. `to`: a URL, unless it is the directory's to tell.
struct Errand {
    enum class To : std::uint8_t { url, new_order, renewal_info } to = To::url;
    std::string url;      // renewal_info: what follows its URL.
    std::string payload;  // Empty: POST-as-GET. Not for renewal_info, which is a plain GET.
};

// The next thing to do: a request, or the end.
struct Ask {
    enum class Kind : std::uint8_t { get, head, post_with_key, post_with_account } kind = Kind::get;
    std::string url, nonce, payload;
    bool registers = false;    // The payload is the registration's: contact, terms and binding are the driver's to write.
    bool fresh_key = false;    // With a new key: the old one is a closed account's.
};

class Passage {
public:
    Passage(Acquaintance& known, Errand what) : known_(known), what_(std::move(what)) {}

    enum class Status : std::uint8_t { asking, answered, failed };
    Status status() const { return status_; }
    // Status asking: what is to be asked now; once for each answered() or unreachable().
    Ask ask();
    void answered(Answer answer);
    void unreachable(std::string why);

    const Answer& answer() const { return answer_; }    // Status answered; any HTTP status but those handled here.
    const Failure& failure() const { return failure_; }  // Status failed.
    // A new account took the place of one that the authority does not take any more: told once, then empty.
    std::string told() { return std::exchange(told_, {}); }

private:
    enum class Stage : std::uint8_t { directory, nonce, account, send };

    Stage stage() const;
    std::string take_nonce();
    void took_directory(const Answer& answer);
    void took_nonce(const Answer& answer);
    void took_account(const Answer& answer);
    void took(Answer answer);
    void fail_with(FailureKind kind, std::string text, std::optional<Duration> retry_after = {}, bool whole = true);
    void refused(const Answer& answer, std::string_view attempted);
    bool again_after_bad_nonce(const Problem& problem);
    void account_lost(const Problem& problem);

    Acquaintance& known_;
    Errand what_;
    Status status_ = Status::asking;
    Answer answer_;
    Failure failure_;
    std::string told_;
    Stage asked_ = Stage::directory;
    int bad_nonces_ = 0;
};

}  // namespace hale::acme
