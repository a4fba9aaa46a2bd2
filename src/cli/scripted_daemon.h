// A daemon that says what a test told it to, on a real loopback socket, and remembers what it was asked. For this
// folder's tests only.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/server_port.h"
#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "os/threads.h"

namespace hale::cli {

struct Scripted {
    int status = 200;
    std::string body = "{}";
    std::string type = "application/json";
    int upgrading = 0;  // So often it is first answered that another process takes over.
};

struct SeenRequest {
    std::string line;  // "GET /api/v1/services?limit=1000"
    std::string body;
    std::string authorization;
    std::string last_event_id;
};

class ScriptedDaemon {
public:
    // By "METHOD /path" without the query, else "METHOD /path?query" when such a key is there. What no key fits
    // is answered 404.
    using Script = std::map<std::string, Scripted>;

    explicit ScriptedDaemon(Script script) : script_(std::move(script)) {
        loop_ = std::move(*os::EpollLoop::create());
        net_ = std::make_unique<os::EpollNet>(*loop_);
        port_ = std::make_unique<http::ServerPort>(
            *loop_, http::ServerLimits{}, [this](std::shared_ptr<http::ServerExchange> exchange) { handle(exchange); },
            [](int, std::string_view why) { return std::string(why); });
        address_ = *port_->open(*net_, {.address = {.ip = Ip::v4(127, 0, 0, 1), .port = 0, .path = {}}});
        static_cast<void>(thread_.start("scripted", [this] { loop_->run(); }));
    }
    ~ScriptedDaemon() { stop(); }

    void stop() {
        if (!port_) return;
        loop_->post([this] {
            port_->close();
            loop_->stop();
        });
        thread_.join();
        port_.reset();
    }

    std::string url() const { return "http://" + address_.text(); }
    const SocketAddress& address() const { return address_; }
    // After stop(), or when every answer has come.
    const std::vector<SeenRequest>& seen() const { return seen_; }

private:
    void handle(const std::shared_ptr<http::ServerExchange>& exchange) {
        const auto& request = exchange->request;
        const std::string line = std::string(request.head.method_name) + " " + std::string(request.head.path_and_query);
        seen_.push_back({line, request.body, std::string(request.head.fields.value(wire::Known::authorization)),
                         std::string(request.head.fields.value(wire::Known::last_event_id))});
        auto found = script_.find(line);
        if (found == script_.end()) found = script_.find(line.substr(0, line.find('?')));
        const bool upgrades = found != script_.end() && found->second.upgrading > 0 && found->second.upgrading-- > 0;
        const Scripted answer = found == script_.end() ? Scripted{404, R"({"title":"Not Found","detail":"nothing scripted here"})"}
                                : upgrades             ? Scripted{503, R"({"code":"upgrading","detail":"another process takes over"})"}
                                                       : found->second;
        const bool refuses = answer.status >= 400 && answer.type == Scripted{}.type;
        exchange->answer(answer.status, {{"Content-Type", refuses ? "application/problem+json" : answer.type}}, answer.body);
    }

    Script script_;
    std::vector<SeenRequest> seen_;
    std::unique_ptr<os::EpollLoop> loop_;
    std::unique_ptr<os::EpollNet> net_;
    std::unique_ptr<http::ServerPort> port_;
    SocketAddress address_;
    os::Thread thread_;
};

}  // namespace hale::cli
