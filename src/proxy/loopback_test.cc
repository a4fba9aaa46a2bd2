// Goal: what holds in the simulator holds on real sockets: TCP and unix upstreams, small and large bodies,
// pipelining, an upstream that is replaced under load.
// Method: one epoll loop carries the worker, the instances and the clients; everything is on port 0.

#include <gtest/gtest.h>

#include <filesystem>

#include "os/epoll_loop.h"
#include "os/epoll_net.h"
#include "proxy/bed_test.h"

namespace hale::proxy {
namespace {

constexpr Duration patience = 30s;

TEST(Loopback, CarriesRequestsOverRealSockets) {
    set_bugs_fatal(true);
    auto made = os::EpollLoop::create();
    ASSERT_TRUE(made);
    auto& loop = **made;
    os::EpollNet net(loop);
    char directory[] = "/tmp/hale-proxy-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    const SocketAddress any{.ip = Ip::v4(127, 0, 0, 1)};
    {
        Instance tcp(net, any);
        Instance local(net, {.path = std::string(directory) + "/s"});
        for (auto* instance : {&tcp, &local})
            instance->script = [](Talker& t, const Request& r) {
                t.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(r.body.size()) + "\r\n\r\n" + r.body);
            };
        Table table;
        auto& web = table.service("web");
        web.endpoints = {table.endpoint(tcp.at()), table.endpoint(local.at())};
        table.route("*", "web");
        Worker worker(loop, net, {}, {});
        auto none = worker.adopt(table.snapshot());
        const auto at = worker.listen(any);
        ASSERT_TRUE(at);

        std::string body(300'000, '.');
        for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i % 26);
        std::vector<std::unique_ptr<Talker>> clients;
        for (int i = 0; i < 30; ++i) {
            auto stream = net.connect(*at);
            ASSERT_TRUE(stream);
            clients.push_back(std::make_unique<Talker>(std::move(*stream)));
            std::string all;
            for (int k = 0; k < 20; ++k) all += "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nsmall";
            all += "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + body;
            clients.back()->send(all);
        }
        EXPECT_TRUE(loop.run_until(
            [&] { return std::ranges::all_of(clients, [&](const auto& c) { return c->got.size() > body.size() && c->got.ends_with(body); }); },
            patience));
        for (const auto& client : clients) {
            std::size_t count = 0;
            for (auto p = client->got.find("HTTP/1.1 200"); p != std::string::npos; p = client->got.find("HTTP/1.1 200", p + 1)) ++count;
            EXPECT_EQ(count, 21u);
            EXPECT_FALSE(client->over());
        }
        EXPECT_EQ(tcp.requests.size() + local.requests.size(), 30u * 21);
        EXPECT_GT(local.requests.size(), 100u);

        // One instance goes: requests in the same moment still get their answers.
        web.retry = {.max = 1, .budget_percent = 100};
        auto old = worker.adopt(table.snapshot());
        tcp.kill();
        for (auto& client : clients) client->got.clear(), client->send(get());
        EXPECT_TRUE(loop.run_until([&] { return std::ranges::all_of(clients, [](const auto& c) { return c->got.find("\r\n\r\n") != std::string::npos; }); },
                                   patience));
        for (const auto& client : clients) EXPECT_TRUE(client->got.starts_with("HTTP/1.1 200")) << client->got;

        bool drained = false;
        worker.drain(5s, [&] { drained = true; });
        EXPECT_TRUE(loop.run_until([&] { return drained; }, patience));
        EXPECT_EQ(worker.stats().upstream_connections, 0u);
        EXPECT_EQ(worker.stats().clients, 0u);
        for (const auto& e : web.endpoints) EXPECT_EQ(e.row->in_flight.load(), 0u);
        clients.clear();
        local.kill();
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace hale::proxy
