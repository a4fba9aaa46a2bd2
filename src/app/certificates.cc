#include "app/certificates.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/log.h"
#include "os/clock.h"
#include "os/secret_bytes.h"

namespace hale::app {

config::CertificateSense certificate_sense() {
    return {.pair = [](std::string_view chain, std::string_view key, const std::string& what) { return tls::works(chain, key, what, os::wall_now()); },
            .authorities = tls::authorities_work};
}

Certificates::Certificates(io::Loop& control, std::vector<WorkerThread>& workers)
    : loop_(control), workers_(workers), rotation_(control, io::member_fire<&Certificates::rotate>, this) {}

void Certificates::start() {
    rotate();
    hand_out();
}

// The newest seals, the older ones still open.
void Certificates::rotate() noexcept {
    rotation_.arm(loop_.now() + ticket_key_life);
    tls::TicketKey key;
    const auto fill = [](std::span<std::uint8_t> part) {
        const std::string bytes = os::secret_bytes(part.size());
        std::memcpy(part.data(), bytes.data(), part.size());
    };
    fill(key.name), fill(key.cipher), fill(key.mac);
    keys_.insert(keys_.begin(), key);
    if (keys_.size() > tls::most_ticket_keys) keys_.pop_back();
    for (WorkerThread& one : workers_)
        if (one.server_tls) one.thread->loop().post([context = one.server_tls, keys = keys_] { context->set_ticket_keys(keys); });
}

void Certificates::set_files(const std::vector<config::CertificateFile>& files) {
    std::vector<Known> read;
    for (const config::CertificateFile& file : files) {
        auto credentials = tls::Credentials::parse(file.chain_pem, file.key_pem, file.chain, loop_.utc());
        // It worked when the configuration was loaded; should it have ended since, its predecessor is no better.
        if (credentials) read.push_back({file.chain, std::move(*credentials)});
        else log(LogLevel::error, credentials.error().text);
    }
    keep_what_is_needed(read);
    files_ = std::move(read);
    hand_out();
}

// Renewed by a certificate for somebody else's name, its host would be shown a made-up one.
void Certificates::keep_what_is_needed(std::vector<Known>& read) const {
    if (!snapshot_) return;
    for (const Known& old : files_) {
        const auto renewed = std::ranges::find(read, old.source, &Known::source);
        if (renewed == read.end()) continue;  // Taken out of the configuration: that is meant.
        for (const catalog::Route& route : snapshot_->table.all()) {
            const auto names_it = [&](const Known& one) { return one.credentials->covers(route.host); };
            if (!names_it(old) || std::ranges::any_of(read, names_it)) continue;
            log(LogLevel::error, fmt::format("{}: the certificate in it is not for {}, as the one before was: that one is kept", old.source, route.host));
            renewed->credentials = old.credentials;
            break;
        }
    }
}

void Certificates::set_issued(const std::string& host, tls::CredentialsPtr credentials) {
    if (credentials) issued_[host] = std::move(credentials);
    else issued_.erase(host);
    hand_out();
}

bool Certificates::file_covers(std::string_view host) const {
    return std::ranges::any_of(files_, [&](const Known& one) { return one.credentials->covers(host); });
}

bool Certificates::wanted() const {
    return std::ranges::any_of(workers_, [](const WorkerThread& one) { return one.server_tls != nullptr; });
}

std::vector<Certificates::Known> Certificates::all() const {
    std::vector<Known> out = files_;
    for (const auto& [host, credentials] : issued_) out.push_back({"acme", credentials});
    return out;
}

void Certificates::hand_out() {
    std::vector<tls::CredentialsPtr> list;
    for (const Known& one : all()) list.push_back(one.credentials);
    for (WorkerThread& one : workers_)
        if (one.server_tls) one.thread->loop().post([context = one.server_tls, list] { context->set_credentials(list); });
    changed_();
}

}  // namespace hale::app
