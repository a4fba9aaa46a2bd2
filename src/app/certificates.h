// The certificates that traffic listeners show, from the configuration's files and from authorities, and the keys that
// seal session tickets: collected here, handed to every worker's TLS. Control's thread.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/wiring.h"
#include "catalog/routing.h"
#include "config/document.h"
#include "config/load.h"
#include "io/loop.h"
#include "tls/credentials.h"
#include "tls/server_context.h"

namespace hale::app {

// For loading configurations: what can't serve is refused there, with its place in the file.
config::CertificateSense certificate_sense();

class Certificates {
public:
    // A ticket is opened by the key that sealed it for so long, and sealed by it for as long before that.
    static constexpr Duration ticket_key_life = 8h;

    struct Known {
        std::string source;  // The chain's path, or "acme".
        tls::CredentialsPtr credentials;
    };

    Certificates(io::Loop& control, std::vector<WorkerThread>& workers);
    // Called whenever other certificates are shown.
    void when_changed(std::function<void()> told) { changed_ = std::move(told); }

    // Before traffic: ticket keys are made and handed out.
    void start();
    // A file that no longer names a routed host which it named before, and no other file does, is refused: the one before
    // it is kept, and the log says which file and which host.
    void set_files(const std::vector<config::CertificateFile>& files);
    void published(const catalog::Snapshot& snapshot) { snapshot_ = snapshot; }
    // From an authority, for a host; null takes it away.
    void set_issued(const std::string& host, tls::CredentialsPtr credentials);
    bool file_covers(std::string_view host) const;
    // Somebody listens who shows them.
    bool wanted() const;
    // Files first, in the configuration's order.
    std::vector<Known> all() const;

private:
    void keep_what_is_needed(std::vector<Known>& read) const;
    void hand_out();
    void rotate() noexcept;

    io::Loop& loop_;
    std::vector<WorkerThread>& workers_;
    std::vector<Known> files_;
    std::map<std::string, tls::CredentialsPtr, std::less<>> issued_;
    std::vector<tls::TicketKey> keys_;
    catalog::Snapshot snapshot_;
    io::Timer rotation_;
    std::function<void()> changed_ = [] {};
};

}  // namespace hale::app
