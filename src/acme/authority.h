// A conversation with one authority: passages, one after another, each carried out over HTTP, signed by the account's key.
// The key and the account are kept on the disk before they are used.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "acme/fetch.h"
#include "acme/keys.h"
#include "acme/passage.h"
#include "acme/shelf.h"

namespace hale::acme {

struct AuthoritySettings {
    std::string directory;
    std::shared_ptr<const io::TlsSpec> tls;  // Null: whom this machine believes.
    std::string email;                       // Told to the authority; empty: none.
    std::string external_id, external_secret;  // Raw bytes; empty: no account elsewhere.
    bool operator==(const AuthoritySettings&) const = default;
};

// After an attempt to tell another mail address that came to nothing.
inline constexpr Duration contact_interval = 6h;

class Authority {
public:
    static constexpr std::size_t most_waiting = 256;  // Errands.
    using Answered = std::move_only_function<void(std::expected<Answer, Failure>)>;

    Authority(Ways& ways, Disk& disk, AuthoritySettings settings);
    ~Authority();
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    void restore(const AccountRecord& record);
    // `answered` comes in a later turn, unless forget(who) came first.
    void send(const void* who, Errand errand, Answered answered);
    void forget(const void* who);
    // Lets the authority know the mail address of the settings, if it was told another one or nobody knows which. Where it
    // does not take it, certificates come all the same.
    void tell_contact();

    const AuthoritySettings& settings() const { return settings_; }
    // Needs: key().
    AccountRecord record() const { return {.directory = settings_.directory, .key_pem = key_->pem(), .account = known_.account, .contact = contact_}; }
    // Once there was a passage, or an account on the disk; else null.
    const AccountKey* key() const { return key_ ? &*key_ : nullptr; }
    bool offers_renewal_info() const { return known_.directory && !known_.directory->renewal_info.empty(); }
    bool knows_directory() const { return known_.directory.has_value(); }
    // A certificate came of the account.
    void account_proved() { known_.new_accounts = 0; }

private:
    struct Waiting {
        const void* who;
        Errand errand;
        Answered answered;
    };

    void next();
    void step();
    void ask(const Ask& what);
    void fresh_key_then(io::Task then);
    std::string registration(const std::string& url) const;
    void came(bool registers, Result<Answer> result);
    void over(std::expected<Answer, Failure> result);
    void keep(Done done);
    void contact_answered(const std::expected<Answer, Failure>& answer);

    Ways& ways_;
    Disk& disk_;
    AuthoritySettings settings_;
    std::optional<AccountKey> key_;
    Acquaintance known_;
    std::optional<std::string> contact_;  // Told last; nothing: unknown.
    bool telling_contact_ = false;
    Instant contact_not_before_{};
    std::deque<Waiting> waiting_;
    std::optional<Passage> passage_;  // Of waiting_.front().
    std::unique_ptr<Fetch> fetch_;
    io::Timer turn_;
    std::shared_ptr<bool> alive_;  // Answers of the disk that come later find it false.
    void take_turn() noexcept;
};

}  // namespace hale::acme
