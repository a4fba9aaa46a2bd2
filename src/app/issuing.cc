#include "app/issuing.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "acme/encoding.h"
#include "base/address.h"
#include "base/log.h"
#include "tls/doors.h"

namespace hale::app {

namespace {

constexpr std::size_t most_uncovered_told = 10;

acme::ChallengeKind kind_of(config::AcmeChallenge challenge) {
    switch (challenge) {
        case config::AcmeChallenge::http_01: return acme::ChallengeKind::http_01;
        case config::AcmeChallenge::tls_alpn_01: return acme::ChallengeKind::tls_alpn_01;
        case config::AcmeChallenge::dns_01: return acme::ChallengeKind::dns_01;
    }
    std::unreachable();
}

}  // namespace

std::vector<std::string> certified_hosts(const catalog::RoutingSnapshot& snapshot, bool wildcards) {
    std::vector<std::string> hosts;
    for (const catalog::Route& route : snapshot.table.all()) {
        if (!route.tls || route.host == "*") continue;
        const std::string host(route.host);
        const bool wildcard = host.starts_with("*.");
        // Whether a name is one of its own only the authority can say; an address is none.
        if (wildcard ? wildcards : !Ip::parse(host)) hosts.push_back(host);
    }
    std::ranges::sort(hosts);
    const auto again = std::ranges::unique(hosts);
    hosts.erase(again.begin(), again.end());
    return hosts;
}

Issuing::Issuing(Parts parts)
    : parts_(std::move(parts)), tls_(std::make_unique<tls::Doors>(parts_.api)), scratch_(std::make_unique<http::Scratch>()), shelf_(parts_.api, parts_.pool, parts_.state) {
    ways_.emplace(parts_.api, parts_.net, parts_.resolver, *tls_, *scratch_, "hale/" + parts_.version);
}

Issuing::~Issuing() = default;

// ---- Control's thread ----

void Issuing::published(const catalog::Snapshot& snapshot) {
    snapshot_ = snapshot;
    look_for_hosts();
}

void Issuing::configured(std::shared_ptr<const config::AcmeSpec> spec) {
    wanted_by_ = spec;
    if (!spec && snapshot_) tell_uncovered();
    parts_.api.post([this, spec = std::move(spec)]() mutable { apply(std::move(spec)); });
    look_for_hosts();
}

// Files for another name than the hosts' are fine by themselves; what comes of it is not what anybody wants.
void Issuing::tell_uncovered() const {
    if (!parts_.certificates.wanted()) return;
    auto hosts = certified_hosts(*snapshot_, true);
    std::erase_if(hosts, [this](const std::string& host) { return parts_.certificates.file_covers(host); });
    for (std::size_t i = 0; i < std::min(hosts.size(), most_uncovered_told); ++i)
        log(LogLevel::warning, fmt::format("{} is served over TLS with a made-up certificate, which no client believes: no file in tls.certificates is for that name, and there is no acme:", hosts[i]));
    if (hosts.size() > most_uncovered_told) log(LogLevel::warning, fmt::format("so are {} more hosts", hosts.size() - most_uncovered_told));
}

void Issuing::look_for_hosts() {
    if (!wanted_by_ || !snapshot_) return;
    auto hosts = certified_hosts(*snapshot_, wanted_by_->challenge == config::AcmeChallenge::dns_01);
    std::erase_if(hosts, [this](const std::string& host) { return parts_.certificates.file_covers(host); });
    parts_.api.post([this, hosts = std::move(hosts)]() mutable {
        if (hosts == hosts_) return;
        hosts_ = std::move(hosts);
        if (issuer_ && !ending_) issuer_->want(hosts_);
    });
}

// ---- The api's thread ----

acme::IssuerSettings Issuing::settings_of(const config::AcmeSpec& spec) const {
    acme::IssuerSettings settings{.challenge = kind_of(spec.challenge), .renew_before = spec.renew_before, .ask_url = spec.ask_url, .ask_per_hour = spec.ask_per_hour, .seed = parts_.seed};
    std::shared_ptr<const io::TlsSpec> tls;
    if (!spec.ca_pem.empty()) tls = std::make_shared<const io::TlsSpec>(io::TlsSpec{.ca_pem = spec.ca_pem});
    for (const std::string& directory : spec.directories)
        settings.authorities.push_back({.directory = directory,
                                        .tls = tls,
                                        .email = spec.email,
                                        .external_id = spec.eab_key_id,
                                        .external_secret = acme::from_base64url(spec.eab_hmac).value_or(std::string{})});
    return settings;
}

void Issuing::apply(std::shared_ptr<const config::AcmeSpec> spec) {
    if (stopping_) return;
    const bool same = spec && spec_ && *spec == *spec_;
    if (same) return;
    const auto before = std::exchange(spec_, std::move(spec));
    if (ending_) return;  // What is in force by then begins after it.
    if (!issuer_) return begin();
    // Proofs under way belong to the way in which they were shown: another hook or challenge starts afresh.
    if (spec_ && before->challenge == spec_->challenge && before->dns_exec == spec_->dns_exec && before->dns_url == spec_->dns_url) {
        issuer_->set(settings_of(*spec_));
        return set_unknown(!spec_->ask_url.empty());
    }
    end([this] { begin(); });
}

void Issuing::begin() {
    if (!spec_ || stopping_) return;
    if (spec_->challenge == config::AcmeChallenge::dns_01)
        dns_ = std::make_unique<acme::DnsHook>(*ways_, &parts_.spawner, acme::DnsHookSettings{.exec = spec_->dns_exec, .url = spec_->dns_url, .user = parts_.exec_user});
    acme::Challenges& proofs = *this;
    acme::Issued& users = *this;
    issuer_ = std::make_unique<acme::Issuer>(*ways_, shelf_, proofs, users, settings_of(*spec_));
    set_unknown(!spec_->ask_url.empty());
    issuer_->want(hosts_);
    issuer_->start();
}

void Issuing::end(io::Task done) {
    if (!issuer_) return done();
    ending_ = true;
    set_unknown(false);
    issuer_->stop([this, done = std::move(done)]() mutable {
        ending_ = false;
        // Without `acme:` nobody renews them, so nobody shows them either.
        if (!stopping_)
            for (const auto& one : issuer_->list()) gone(one.host);
        issuer_.reset();
        dns_.reset();
        done();
        if (stopping_) std::exchange(stopped_, [] {})();
    });
}

void Issuing::stop(io::Task done) {
    stopping_ = true;
    stopped_ = std::move(done);
    if (ending_) return;
    if (!issuer_) return std::exchange(stopped_, [] {})();
    end([] {});
}

std::vector<acme::Status> Issuing::list() const { return issuer_ ? issuer_->list() : std::vector<acme::Status>{}; }

Result<> Issuing::renew(const std::string& host) {
    if (!issuer_ || ending_) return fail(Code::not_found, fmt::format("no certificate of {} is got from an authority: there is no acme: in the configuration", host));
    return issuer_->renew(host);
}

void Issuing::on_workers(std::function<void(WorkerThread&)> show, acme::Done done) {
    struct Countdown {
        std::atomic<std::size_t> left;
        acme::Done done;
    };
    auto countdown = std::make_shared<Countdown>(parts_.workers.size(), std::move(done));
    for (WorkerThread& one : parts_.workers)
        one.thread->loop().post([this, &one, show, countdown] {
            show(one);
            if (--countdown->left == 0) parts_.api.post([countdown] { countdown->done({}); });
        });
}

// A handshake for a name without certificate asks here, at most once a turn of the api's loop and a bounded number of times an hour.
void Issuing::set_unknown(bool on) {
    for (WorkerThread& one : parts_.workers)
        if (one.server_tls)
            one.thread->loop().post([this, &one, on] {
                if (!on) return one.server_tls->set_unknown({});
                // What waits to be asked is bounded, however many handshakes come.
                auto waiting = std::make_shared<std::atomic<int>>(0);
                one.server_tls->set_unknown([this, waiting](std::string_view host) {
                    constexpr int most_waiting = 64;
                    if (waiting->load() >= most_waiting) return;
                    ++*waiting;
                    parts_.api.post([this, waiting, host = std::string(host)] {
                        --*waiting;
                        if (issuer_ && !ending_) issuer_->asked_for(host);
                    });
                });
            });
}

void Issuing::present(const acme::Challenge& challenge, acme::Done done) { show(challenge, true, std::move(done)); }
void Issuing::withdraw(const acme::Challenge& challenge, acme::Done done) { show(challenge, false, std::move(done)); }

void Issuing::show(const acme::Challenge& challenge, bool on, acme::Done done) {
    switch (challenge.kind) {
        case acme::ChallengeKind::http_01:
            return on_workers(
                [token = challenge.token, proof = on ? challenge.key_authorization : std::string{}](WorkerThread& one) {
                    if (one.worker) one.worker->set_proof(token, proof);
                },
                std::move(done));
        case acme::ChallengeKind::tls_alpn_01: {
            tls::CredentialsPtr proof;
            if (on) {
                auto read = tls::Credentials::parse(challenge.certificate_pem, challenge.key_pem, "a proof for " + challenge.host, parts_.api.utc());
                if (!read) return parts_.api.post([done = std::move(done), error = read.error()]() mutable { done(std::unexpected(error)); });
                proof = std::move(*read);
            }
            if (on && std::ranges::none_of(parts_.workers, [](const WorkerThread& one) { return one.server_tls != nullptr; }))
                return parts_.api.post([done = std::move(done)]() mutable { done(fail(Code::invalid, "tls-alpn-01 needs listen.https")); });
            return on_workers(
                [host = challenge.host, proof](WorkerThread& one) {
                    if (one.server_tls) one.server_tls->set_proof(host, proof);
                },
                std::move(done));
        }
        case acme::ChallengeKind::dns_01: return on ? dns_->present(challenge, std::move(done)) : dns_->withdraw(challenge, std::move(done));
    }
}

void Issuing::issued(const std::string& host, const acme::Credentials& credentials) {
    parts_.control.post([this, host, credentials] {
        auto read = tls::Credentials::parse(credentials.chain_pem, credentials.key_pem, "the certificate of " + host, parts_.control.utc());
        // An expired one is asked for anew; until then it is as good as none.
        if (read) parts_.certificates.set_issued(host, std::move(*read));
        else log(LogLevel::warning, read.error().text);
    });
}

void Issuing::gone(const std::string& host) {
    parts_.control.post([this, host] { parts_.certificates.set_issued(host, nullptr); });
}

}  // namespace hale::app
