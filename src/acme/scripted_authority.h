// An authority of the simulated world: speaks ACME over plain HTTP, strictly where a client could be careless (each nonce
// once, the URL signed, the account known), and misbehaves as told. Validates http-01 by looking at what is shown.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "io/stream.h"
#include "sim/net.h"
#include "sim/world.h"

namespace hale::acme {

class ScriptedAuthority final : private io::AcceptHandler {
public:
    // At http://HOST:80/dir; HOST is a host of the network with that one address.
    ScriptedAuthority(sim::World& world, sim::Network& network, std::string host);
    ~ScriptedAuthority() override;

    std::string directory() const { return "http://" + host_ + "/dir"; }

    // What it does wrong, or slowly.
    double bad_nonces = 0;          // Share of good nonces that are refused.
    int slow_polls = 0;             // Authorizations and orders stay as they are for so many looks.
    int retry_after_s = 0;          // Told with those.
    int limited_orders = 0;         // So many orders are answered 429.
    int limited_for_s = 600;
    int broken = 0;                 // So many requests are answered 500 with a page.
    bool validates = true;          // Else every proof fails.
    bool external_required = false;
    bool refuses_contacts = false;
    bool signs_another_key = false, signs_another_name = false;
    bool renewal_info = false;
    Duration window_from = 24h * 10, window_until = 24h * 11;  // After issue.
    Duration lifetime = 24h * 90;
    Duration clock = 0s;            // How far its clock is ahead of the world's.
    void close_accounts();          // All of them, as an authority does to a compromised key.
    void lose_accounts();

    std::string offers = "http-01";  // The one kind of proof.

    // Asked at validation: what a client would get for this token. Set by the test: the file of http-01, the TXT record of
    // dns-01, the digest in the certificate of tls-alpn-01 as base 64 for URLs.
    std::function<std::string(const std::string& host, const std::string& token)> look;

    int orders = 0, issued = 0, refused_nonces = 0, limited = 0, requests = 0, most_orders_open = 0;
    std::vector<std::string> replaced;  // What orders said they replace.
    std::size_t accounts() const { return accounts_.size(); }
    // Of every account, "-" for one without any; in the order of their URLs.
    std::vector<std::string> contacts() const;
    int account_updates = 0;
    // What it was told in violation of the RFC; empty when all was well.
    std::vector<std::string> complaints;

private:
    struct Connection;
    struct Ca;
    struct Account {
        std::string jwk, contact = "-";
        bool closed = false;
    };
    struct OrderState {
        std::string account, host, status = "pending", authorization = "pending", token, certificate, error;
        int looks = 0;
        bool answered = false;
        Utc issued{};
    };
    struct Reply {
        int status = 200;
        std::string body;
        std::string location;
        int retry_after = 0;
    };

    void on_accept(std::unique_ptr<io::Stream> stream) noexcept override;
    std::string answer(const std::string& method, const std::string& path, const std::string& body);
    Reply reply(const std::string& method, const std::string& path, const std::string& body);
    Reply signed_reply(const std::string& path, const std::string& header, const std::string& payload);
    Reply new_account(const std::string& jwk, const std::string& payload);
    std::string proof_of(const OrderState& order) const;
    Reply update_account(Account& account, const std::string& payload);
    Reply new_order(const std::string& account, const std::string& payload);
    Reply of_order(const std::string& path, const std::string& payload);
    Reply order_document(const std::string& id, int status = 200);
    std::string url(const std::string& path) const { return "http://" + host_ + path; }
    std::string make_nonce();
    Reply problem(int status, const std::string& type, const std::string& detail) const;
    void finalize(OrderState& order, const std::string& csr);

    sim::World& world_;
    std::string host_;
    Random random_;
    std::unique_ptr<Ca> ca_;
    std::unique_ptr<io::Listener> listener_;
    std::map<io::Stream*, std::unique_ptr<Connection>> connections_;
    std::set<std::string> nonces_;
    std::map<std::string, Account> accounts_;  // By URL.
    std::map<std::string, OrderState> orders_;
    int last_ = 0;
};

}  // namespace hale::acme
