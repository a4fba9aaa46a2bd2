// Goal: a machine without a default route is told from one that has it.
// Method: texts as Linux writes them, each way of having none; the machine's own files are read without harm.

#include "os/default_route.h"

#include <gtest/gtest.h>

#include <string>

namespace hale::os {
namespace {

const std::string head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const std::string link = "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
const std::string gateway = "eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
const std::string down = "eth0\t00000000\t0102000A\t0002\t0\t0\t0\t00000000\t0\t0\t0\n";
const std::string refusing = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n";
const std::string half = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n";  // 0.0.0.0/1 of a tunnel.

const std::string zeros(32, '0');
std::string six(const std::string& to, const std::string& length, const std::string& flags, const std::string& device) {
    return to + " " + length + " " + zeros + " 00 " + zeros + " 00000400 00000001 00000000 " + flags + " " + device + "\n";
}

TEST(DefaultRoute, IsFoundWhereThereIsOne) {
    EXPECT_FALSE(default_routes("", "").v4);
    EXPECT_FALSE(default_routes(head, "").v4);
    EXPECT_FALSE(default_routes(head + link, "").v4);
    EXPECT_TRUE(default_routes(head + link + gateway, "").v4);
    EXPECT_TRUE(default_routes(head + gateway + link, "").v4);
    EXPECT_FALSE(default_routes(head + link + down, "").v4);
    EXPECT_FALSE(default_routes(head + link + refusing, "").v4);
    EXPECT_FALSE(default_routes(head + half, "").v4);
    EXPECT_FALSE(default_routes(head + gateway, "").v6);
    EXPECT_FALSE(default_routes("", six(zeros, "00", "00200200", "lo")).v6);
    EXPECT_FALSE(default_routes("", six(zeros, "00", "00200200", "lo") + six("fe80" + std::string(28, '0'), "40", "00000001", "eth0")).v6);
    EXPECT_TRUE(default_routes("", six(zeros, "00", "00000003", "eth0") + six(zeros, "00", "00200200", "lo")).v6);
    EXPECT_FALSE(default_routes("", six(zeros, "00", "00000003", "eth0")).v4);
}

TEST(DefaultRoute, IsReadAtMostOnceASecond) {
    DefaultRouteReader reader;
    const auto first = reader.now(Instant{10s});
    EXPECT_EQ(reader.now(Instant{10s + 999ms}).v4, first.v4);
    (void)reader.now(Instant{12s});
}

}  // namespace
}  // namespace hale::os
