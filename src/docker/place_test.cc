// Goal: a place is what an operator writes for Docker's own tools; anything else is refused with a sentence that says what is allowed, and
// nothing of it can become an option of ssh or a line of a shell.
// Method: tables.

#include "docker/place.h"

#include <gtest/gtest.h>

namespace hale::docker {
namespace {

TEST(Place, IsASocketAHostOrAnAccount) {
    const auto socket = parse_place("unix:///var/run/docker.sock");
    ASSERT_TRUE(socket);
    EXPECT_EQ(socket->path, usual_socket);
    EXPECT_EQ(socket->authority, "docker");
    EXPECT_TRUE(socket->host.empty());

    const auto tcp = parse_place("tcp://10.0.0.5:2376");
    ASSERT_TRUE(tcp);
    EXPECT_EQ(tcp->host, "10.0.0.5");
    EXPECT_EQ(tcp->port, 2376);
    EXPECT_EQ(tcp->authority, "10.0.0.5:2376");
    EXPECT_EQ(parse_place("tcp://engine.example/")->port, engine_port);
    EXPECT_EQ(parse_place("tcp://[fd00::1]:2375")->host, "fd00::1");
    EXPECT_EQ(parse_place("tcp://[fd00::1]:2375")->authority, "[fd00::1]:2375");

    using Words = std::vector<std::string>;
    EXPECT_EQ(parse_place("ssh://me@host")->command,
              (Words{"/usr/bin/ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "me@host", "docker", "system", "dial-stdio"}));
    EXPECT_EQ(parse_place("ssh://host:2222/")->command,
              (Words{"/usr/bin/ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=15", "-p", "2222", "host", "docker", "system", "dial-stdio"}));
    EXPECT_EQ(parse_place("ssh://me@[::1]:22")->command[10], "me@::1");
}

TEST(Place, IsRefusedWithWhatIsAllowed) {
    for (const char* bad : {"", "/var/run/docker.sock", "unix:/x", "unix://x", "unix://", "unix:///", "unix:///a/", "tcp://", "tcp://h:0", "tcp://h:99999", "tcp://h:2375/v1",
                            "tcp://u:secret@h", "tcp://h?a", "http://h", "https://h", "ssh://", "ssh://-oProxyCommand=x", "ssh://h;ls", "ssh://a b", "ssh://-l@h", "ssh://me:secret@h",
                            "ssh://@h", "ssh://h:", "ssh://h:x", "ssh://h:70000", "ssh://h/path", "ssh://[::1", "ssh://[x]", "ssh://[::1]x", "npipe:////./pipe/x"}) {
        const auto place = parse_place(bad);
        ASSERT_FALSE(place) << bad;
        EXPECT_EQ(place.error().code, Code::invalid);
        EXPECT_NE(place.error().text.find("allowed: unix:///PATH"), std::string::npos) << place.error().text;
        EXPECT_EQ(place.error().text.find("secret"), std::string::npos) << place.error().text;
    }
    EXPECT_FALSE(parse_place("unix:///" + std::string(200, 'a')));
    EXPECT_FALSE(parse_place(std::string_view("unix:///a\0b", 11)));
}

}  // namespace
}  // namespace hale::docker
