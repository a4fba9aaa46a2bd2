#include "api/server.h"

#include <fmt/format.h>

#include <utility>

#include "api/desk.h"
#include "base/check.h"
#include "http/server_port.h"

namespace hale::api {

namespace {
constexpr Duration leave_grace = 1s;
}

class Server::Core {
public:
    Core(io::Loop& loop, io::Net& net, Backend& backend, const catalog::OwnHealth& own, ServerOptions options)
        : net_(net), desk_(loop, backend, own, std::move(options)) {
        for (const Route& route : all_routes()) HALE_CHECK(route.access != Access::unset && route.handle != nullptr);
    }

    void tell(std::vector<catalog::Delta> deltas) {
        for (const auto& delta : deltas) {
            EventHub::Gone gone;
            if (const auto* instance = std::get_if<catalog::InstanceGone>(&delta.what)) {
                if (const auto* was = desk_.view.instance(instance->slot)) gone = {was->facts->service.str(), was->facts->id.str(), was->facts->name.str()};
            } else if (const auto* service = std::get_if<catalog::ServiceGone>(&delta.what)) {
                if (const auto* was = desk_.view.service(service->slot)) gone = {was->facts->name.str(), "", ""};
            }
            if (const auto* skipped = std::get_if<catalog::DeltasSkipped>(&delta.what)) {
                desk_.hub.skipped(skipped->count, delta.revision);
                continue;
            }
            desk_.tally.count(desk_.view, delta);
            desk_.view.apply(delta);
            if (delta.revision == 0) continue;
            if (listening()) desk_.hub.add(delta, gone);
            else desk_.hub.skip(delta.revision);
        }
        if (deltas.empty()) return;
        desk_.fold_lag = std::max(Duration{0}, desk_.loop.utc() - deltas.back().at);
        desk_.waiting.changed(desk_.view);
    }

    void set_tokens(std::vector<config::StoredToken> tokens) { desk_.tokens.set(std::move(tokens)); }

    Result<SocketAddress> listen(const io::ListenOptions& options, bool health, io::ServerTls* tls = nullptr) {
        auto port = std::make_unique<http::ServerPort>(
            desk_.loop, http::ServerLimits{}, [this, health](std::shared_ptr<http::ServerExchange> exchange) { desk_.take(exchange, health); },
            [](int status, std::string_view why) { return to_json(Problem{status, status == 413 ? "body_too_large" : status == 408 ? "request_timeout" : "bad_request", std::string(why)}); });
        HALE_ASSIGN(auto address, port->open(net_, options, tls));
        ports_.push_back(std::move(port));
        return address;
    }

    bool insecure() const { return desk_.options.insecure; }

    void leave() {
        desk_.left = true;
        desk_.hub.end();
        desk_.waiting.end();
        for (const auto& port : ports_) port->finish_soon(leave_grace);
    }

    void stop() {
        desk_.hub.end();
        desk_.waiting.end();
        for (const auto& port : ports_) port->close_soon();
    }

private:
    bool listening() const { return !ports_.empty(); }

    io::Net& net_;
    Desk desk_;
    std::vector<std::unique_ptr<http::ServerPort>> ports_;  // Last: their streams hold places in the desk's ring.
};

Server::Server(io::Loop& loop, io::Net& net, Backend& backend, const catalog::OwnHealth& own, ServerOptions options)
    : core_(std::make_unique<Core>(loop, net, backend, own, std::move(options))) {}

Server::~Server() = default;

void Server::tell(std::vector<catalog::Delta> deltas) { core_->tell(std::move(deltas)); }

void Server::set_tokens(std::vector<config::StoredToken> tokens) { core_->set_tokens(std::move(tokens)); }

Result<SocketAddress> Server::listen_admin(const SocketAddress& address, io::ServerTls* tls) {
    if (tls == nullptr && !address.is_unix() && !address.ip.is_loopback() && !core_->insecure())
        return fail(Code::invalid, fmt::format("admin listener {}: not opened off loopback without TLS, since tokens would travel in the clear; "
                                               "set admin.certificate, or listen on 127.0.0.1 and use ssh, or set admin.insecure: true",
                                               address.text()));
    return core_->listen({.address = address}, false, tls);
}

Result<> Server::listen_socket(const std::string& path, int mode) {
    SocketAddress address;
    address.path = path;
    HALE_TRY(core_->listen({.address = address, .unix_mode = mode}, false));
    return {};
}

Result<SocketAddress> Server::listen_health(const SocketAddress& address) { return core_->listen({.address = address}, true); }

void Server::leave() { core_->leave(); }
void Server::stop() { core_->stop(); }

}  // namespace hale::api
