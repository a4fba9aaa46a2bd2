// Goal: URLs come apart and together as RFC 3986 says; hosts and paths that routing holds equal become the same
// text, and those that could be read in two ways are refused.
// Method: the RFC's own tables; every byte value in hosts and paths; an independent slow reading of the path
// rules as oracle over all short strings of the letters that matter.

#include "wire/url.h"

#include <gtest/gtest.h>

#include <vector>

#include "wire/http1.h"

namespace hale::wire {
namespace {

TEST(Url, ComesApart) {
    const auto url = parse_url("HTTPS://u:p@Web.Example.:8443/a/../b?x=1&y#frag");
    ASSERT_TRUE(url) << url.error().text;
    EXPECT_EQ(url->scheme, "https");
    EXPECT_EQ(url->userinfo, "u:p");
    EXPECT_EQ(url->host, "web.example");
    EXPECT_EQ(url->port, 8443);
    EXPECT_EQ(url->path, "/a/../b");
    EXPECT_EQ(url->query, "x=1&y");
    EXPECT_EQ(url->origin_form(), "/a/../b?x=1&y");
    EXPECT_EQ(url->authority(), "web.example:8443");
    EXPECT_EQ(url->text(), "https://web.example:8443/a/../b?x=1&y") << "userinfo is a secret";
}

TEST(Url, SmallestForms) {
    const auto bare = parse_url("http://web:80");
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->path, "");
    EXPECT_EQ(bare->origin_form(), "/");
    EXPECT_EQ(bare->authority(), "web") << "the default port is not written";
    EXPECT_EQ(bare->effective_port(), 80);
    EXPECT_EQ(parse_url("https://web")->effective_port(), 443);
    EXPECT_EQ(parse_url("postgres://web")->effective_port(), 0);
    const auto v6 = parse_url("http://[2001:DB8:0::1]:8080/");
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->host, "[2001:db8::1]");
    EXPECT_EQ(v6->bare_host(), "2001:db8::1");
    EXPECT_EQ(v6->authority(), "[2001:db8::1]:8080");
    EXPECT_EQ(parse_url("http://a?q")->origin_form(), "/?q");
    EXPECT_EQ(parse_url("http://a/?")->query, "");
}

TEST(Url, RefusesWhatIsNone) {
    for (const char* text : {"",
                             "web",
                             "web:3000",
                             "/path",
                             "http:",
                             "http:/a",
                             "http://",
                             "http:///a",
                             "http://a:x/",
                             "http://a:99999/",
                             "http://a b/",
                             "http://a/\\b",
                             "http://a/\xc3\xa9",
                             "http://b\xc3\xbc"
                             "cher/",
                             "http://-a/",
                             "http://a..b/",
                             "http://[::1/",
                             "http://[10.0.0.1]/",
                             "http://u@/",
                             "1http://a/",
                             "http://a/\r\nX: y",
                             "http://a%20b/"}) {
        const auto url = parse_url(text);
        EXPECT_FALSE(url) << text;
        if (!url) EXPECT_FALSE(url.error().text.empty());
    }
    EXPECT_FALSE(parse_url("http://a/" + std::string(max_url_bytes, 'x')));
    EXPECT_EQ(parse_url("http://user:hunter2@a b/").error().text.find("hunter2"), std::string::npos);
}

// RFC 3986 section 5.4, without the references that have no authority to go to.
TEST(Url, ReferencesResolveAsInTheRfc) {
    const auto base = parse_url("http://a/b/c/d;p?q");
    ASSERT_TRUE(base);
    const std::pair<const char*, const char*> rows[] = {
        {"http://g/x/../y", "http://g/y"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/../x", "http://a/b/c/g"},
        {"//g/a/./b", "http://g/a/b"},
        {"HTTPS://G:443", "https://g"},
    };
    for (const auto& [reference, expected] : rows) {
        const auto url = resolve_url(*base, reference);
        ASSERT_TRUE(url) << reference << ": " << url.error().text;
        EXPECT_EQ(url->text(), expected) << reference;
    }
    EXPECT_EQ(resolve_url(*parse_url("http://a"), "g")->text(), "http://a/g") << "a base without a path";
    for (const char* refused : {"g:h", "http:g", "mailto:x@y", "//", "/a b", "/\\x"})
        EXPECT_FALSE(resolve_url(*base, refused)) << refused;
    EXPECT_EQ(remove_dot_segments("mid/content=5/../6"), "mid/6");
}

TEST(Url, TextReadsBack) {
    for (const char* text :
         {"http://a", "https://a.b:1/c?d", "http://[::1]:9/", "ws://a_b/x//y", "http://10.0.0.1/%2F"}) {
        const auto url = parse_url(text);
        ASSERT_TRUE(url) << text;
        EXPECT_EQ(url->text(), text);
        EXPECT_EQ(*parse_url(url->text()), *url);
    }
}

std::string host_of(std::string_view text) {
    HostScratch scratch;
    const auto host = normal_host(text, scratch);
    return host ? std::string(*host) : "!";
}

TEST(NormalHost, IsOneTextForEqualHosts) {
    const std::pair<const char*, const char*> rows[] = {
        {"web", "web"},
        {"WEB", "web"},
        {"Web.Example.", "web.example"},
        {"web:3000", "web"},
        {"WEB.:80", "web"},
        {"10.0.0.1", "10.0.0.1"},
        {"10.0.0.1:80", "10.0.0.1"},
        {"[::1]", "[::1]"},
        {"[0:0::1]:80", "[::1]"},
        {"[2001:DB8::A]", "[2001:db8::a]"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"a_b", "a_b"},
        {"", "!"},
        {".", "!"},
        {":80", "!"},
        {"a..b", "!"},
        {"-a", "!"},
        {"a-.b", "!"},
        {"a b", "!"},
        {"*.a", "!"},
        {"b\xc3\xbc"
         "cher",
         "!"},
        {"a%41", "!"},
        {"[::1", "!"},
        {"[::1]x", "!"},
        {"[10.0.0.1]", "!"},
        {"a:8x", "!"},
        {"a@b", "!"},
        {"a/b", "!"},
        {"a,b", "!"},
    };
    for (const auto& [text, expected] : rows) {
        EXPECT_EQ(host_of(text), expected) << text;
        EXPECT_EQ(host_refusal(text).empty(), std::string_view(expected) != "!") << text;
        if (std::string_view(expected) != "!") EXPECT_EQ(host_of(expected), expected) << "normal is final";
    }
    EXPECT_EQ(host_of(std::string(63, 'a')), std::string(63, 'a'));
    EXPECT_EQ(host_of(std::string(64, 'a')), "!");
    std::string longest;
    while (longest.size() < 253) longest += longest.size() % 2 == 0 ? "A" : ".";
    EXPECT_NE(host_of(longest), "!");
    EXPECT_EQ(host_of("a" + longest + "a"), "!");
}

TEST(NormalHost, NormalTextIsNotCopied) {
    HostScratch scratch;
    const std::string_view text = "web.example:80";
    EXPECT_EQ(normal_host(text, scratch)->data(), text.data());
}

struct Matched {
    PathFault fault = PathFault::none;
    std::string path, other;
    bool operator==(const Matched&) const = default;
};

Matched match(std::string_view raw) {
    std::string scratch;
    MatchPath found;
    Matched result{.fault = path_for_match(raw, scratch, found)};
    if (result.fault == PathFault::none) result.path = found.path, result.other = found.other_reading;
    return result;
}

TEST(PathForMatch, Examples) {
    const auto is = [](std::string_view raw, std::string path, std::string other = "") {
        EXPECT_EQ(match(raw), (Matched{PathFault::none, std::move(path), std::move(other)})) << raw;
    };
    is("/", "/");
    is("/a.b/..c/...?../x", "/a.b/..c/...");
    is("/%61%2d%7E%5f", "/a-~_");
    is("/%c3%a9%3f", "/%C3%A9%3F");
    is("/a%2fb%5Cc", "/a%2Fb%5Cc", "/a/b/c");
    is("/@scope%2fname", "/@scope%2Fname", "/@scope/name");
    is("*", "*");
    const std::pair<const char*, PathFault> refused[] = {
        {"/a/../b", PathFault::dot_segment},
        {"/.", PathFault::dot_segment},
        {"/a/..", PathFault::dot_segment},
        {"/%2e%2E/b", PathFault::dot_segment},
        {"/a/.%2e", PathFault::dot_segment},
        {"/a%2f..%2Fb", PathFault::dot_segment},
        {"/a%5c%2e%2e", PathFault::dot_segment},
        {"/a/..;x=1/b", PathFault::dot_segment},
        {"/a\\b", PathFault::backslash},
        {"/a%00", PathFault::nul},
        {"/a%", PathFault::bad_escape},
        {"/a%4", PathFault::bad_escape},
        {"/a%zz", PathFault::bad_escape},
        {"/%%34%31", PathFault::bad_escape},
        {"", PathFault::not_a_path},
        {"a", PathFault::not_a_path},
        {"?x", PathFault::not_a_path},
    };
    for (const auto& [raw, fault] : refused) {
        EXPECT_EQ(match(raw).fault, fault) << raw;
        EXPECT_FALSE(path_fault_text(fault).empty());
    }
}

TEST(PathForMatch, PlainPathsAreNotCopied) {
    std::string scratch;
    MatchPath found;
    const std::string_view raw = "/api/v1/items?x=%41";
    ASSERT_EQ(path_for_match(raw, scratch, found), PathFault::none);
    EXPECT_EQ(found.path.data(), raw.data());
    EXPECT_EQ(scratch.capacity(), std::string().capacity());
}

// Reads the rules literally: decode fully, look at segments.
bool oracle_refuses(std::string_view raw) {
    std::string all;  // Everything decoded, slashes of both kinds alike.
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char c = raw[i];
        if (c == '\\') return true;
        if (c == '%') {
            const std::string_view hex = "0123456789abcdef";
            if (i + 2 >= raw.size()) return true;
            const auto high = hex.find(raw[i + 1]), low = hex.find(raw[i + 2]);
            if (high == hex.npos || low == hex.npos) return true;
            c = static_cast<char>(high * 16 + low);
            if (c == '\0') return true;
            i += 2;
        }
        all += c == '\\' ? '/' : c;
    }
    std::string segment;
    for (const char c : all + "/") {
        if (c != '/') {
            segment += c;
            continue;
        }
        if (segment == "." || segment == "..") return true;
        segment.clear();
    }
    return false;
}

TEST(PathForMatch, AgreesWithTheRulesOnAllShortPaths) {
    const std::vector<std::string> letters{"/", ".", "a", "%2e", "%2f", "%5c", "%00", "%", "\\", "2", "%41"};
    std::vector<std::string> paths{"/"};
    std::size_t refused = 0, checked = 0;
    for (int length = 0; length < 5; ++length) {
        std::vector<std::string> longer;
        for (const std::string& path : paths)
            for (const std::string& letter : letters) longer.push_back(path + letter);
        for (const std::string& path : longer) {
            const bool expected = oracle_refuses(path);
            ASSERT_EQ(match(path).fault != PathFault::none, expected) << path;
            refused += expected;
            ++checked;
        }
        paths = std::move(longer);
    }
    EXPECT_EQ(checked, 11u + 121 + 1331 + 14641 + 161051);
    EXPECT_GT(refused, 1000u);
}

TEST(Authority, IsHostAndPort) {
    EXPECT_EQ(parse_authority("a:80")->port, 80);
    EXPECT_EQ(parse_authority("a")->port, std::nullopt);
    EXPECT_EQ(parse_authority("[::1]:1")->host, "[::1]");
    EXPECT_EQ(parse_authority("a!$&'()*+,;=%41-._~")->host, "a!$&'()*+,;=%41-._~");
    for (int c = 0; c < 256; ++c) {
        const std::string text = {'a', static_cast<char>(c)};
        const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool fine = letter || (c != 0 && std::string_view("!$&'()*+,;=-._~:").find(static_cast<char>(c)) !=
                                                   std::string_view::npos);
        EXPECT_EQ(parse_authority(text).has_value(), fine) << c;
    }
}

}  // namespace
}  // namespace hale::wire
