// Goal: the five shapes are told apart and read alike; what is written reads back as the same health, or as
// less of it where the shape has no word, never as more.
// Method: bodies as their frameworks print them; every shape x every health written and read; every prefix of
// every body is refused or read, never worse.

#include "wire/health_body.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hale::wire {
namespace {

constexpr HealthShape shapes[] = {HealthShape::health_json, HealthShape::spring, HealthShape::microprofile,
                                  HealthShape::xabaril, HealthShape::simple};
constexpr Health healths[] = {Health::pass, Health::warn, Health::fail, Health::unknown};

std::string line(const HealthBody& body) {
    std::string out = std::string(shape_name(body.shape)) + " " + std::string(health_name(body.overall));
    for (const HealthComponent& c : body.components)
        out += "; " + c.name + " " + std::string(health_name(c.status)) + " [" + c.output + "]";
    return out;
}

struct Row {
    const char *body, *expected;
};
const Row rows[] = {
    {R"({"status":"warn","version":"1","releaseId":"2.4.1","notes":["2 of 3"],"checks":{
        "orders:responseTime":[{"componentId":"orders-1","observedValue":0.212,"observedUnit":"s","status":"pass","time":"2026-08-22T14:02:31.412Z"}],
        "postgres:connections":[{"status":"warn","output":"75 of 80"},{"status":"FAIL"}]}})",
     "health+json warn; orders:responseTime pass [0.212 s]; postgres:connections warn [75 of 80]; postgres:connections "
     "fail []"},
    {R"({"status":"PASS"})", "health+json pass"},
    {R"({"status":"UP","components":{"db":{"status":"UP","details":{"database":"H2"}},
        "disk":{"status":"DOWN","details":{"error":"full"}},"ping":{"status":"UNKNOWN"},"gone":{"status":"OUT_OF_SERVICE","details":{}}},
        "groups":["liveness"]})",
     R"(spring pass; db pass [{"database":"H2"}]; disk fail [full]; ping unknown []; gone fail [])"},
    {R"({"status":"DOWN","components":{"db":{"status":"DOWN","components":{"a":{"status":"UP"},"b":{"status":"DOWN"}}}}})",
     "spring fail; db fail []; db/a pass []; db/b fail []"},
    {R"({"status":"UP","details":{"db":{"status":"UP","details":{"hello":1}}}})",
     R"(spring pass; db pass [{"hello":1}])"},
    {R"({"status":"UP"})", "spring pass"},
    {R"({"status":"OUT_OF_SERVICE"})", "spring fail"},
    {R"({"status":"DOWN","checks":[{"name":"db","status":"DOWN","data":{"error":"refused"}},{"name":"x","status":"UP"}]})",
     "microprofile fail; db fail [refused]; x pass []"},
    {R"({"status":"UP","checks":[]})", "microprofile pass"},
    {R"({"status":"Degraded","totalDuration":"00:00:00.05","entries":{"redis":{"data":{},"description":"slow","duration":"00:00:00.01","status":"Degraded","tags":[]},
        "sql":{"data":{},"exception":"boom","status":"Unhealthy"}}})",
     "xabaril warn; redis warn [slow]; sql fail [boom]"},
    {R"({"status":"Healthy"})", "xabaril pass"},
    {R"({"status":"healthy","version":"1.2","services":{"db":"healthy","cache":"down","q":{"status":"degraded","message":"lag"}},"timestamp":"2026-11-21T10:00:00Z"})",
     "simple pass; db pass []; cache fail []; q warn [lag]"},
    {R"({"status":"ok"})", "simple pass"},
    {R"({"status":"unhealthy","database":false})", "simple fail"},
    {R"({"status":"starting"})", "simple unknown"},
    {R"({"status":""})", "simple unknown"},
};

TEST(HealthBody, ShapesAreToldApart) {
    for (const Row& row : rows) {
        const auto body = read_health_body(row.body);
        ASSERT_TRUE(body) << row.body << body.error().text;
        EXPECT_EQ(line(*body), row.expected) << row.body;
        EXPECT_FALSE(body->cut);
    }
    const auto full = read_health_body(rows[0].body);
    EXPECT_EQ(full->version, "1");
    EXPECT_EQ(full->release_id, "2.4.1");
    EXPECT_EQ(full->notes, std::vector<std::string>{"2 of 3"});
    EXPECT_EQ(full->components[0].time, "2026-08-22T14:02:31.412Z");
}

TEST(HealthBody, WhatIsNoneIsRefusedWithASentence) {
    for (const char* text :
         {"", "OK", "{", "[]", "[{\"status\":\"UP\"}]", "{}", R"({"status":true})", R"({"status":null})",
          R"({"healthy":true})", "\"UP\"", R"({"status":"UP"} x)", "<html>", "{\"status\":\"\xff\"}"}) {
        const auto body = read_health_body(text);
        ASSERT_FALSE(body) << text;
        EXPECT_EQ(body.error().code, Code::invalid);
        EXPECT_FALSE(body.error().text.empty());
    }
    EXPECT_FALSE(read_health_body(std::string(max_health_body_bytes + 1, ' ')));
}

TEST(HealthBody, EveryPrefixIsRefused) {
    for (const Row& row : rows) {
        const std::string_view whole = row.body;
        for (std::size_t size = 0; size < whole.size(); ++size)
            EXPECT_FALSE(read_health_body(whole.substr(0, size))) << whole.substr(0, size);
    }
}

TEST(HealthBody, StrangeMembersAreSteppedOver) {
    for (const char* text :
         {R"({"status":"UP","components":{"a":1,"b":{"x":2},"c":null,"d":{"status":3}}})",
          R"({"status":"UP","checks":[1,null,{},{"name":7},[]]})", R"({"status":"UP","entries":{"a":[],"b":"x"}})",
          R"({"status":"pass","checks":{"a":1,"b":[1,null,[]]}})", R"({"status":"ok","services":{"a":1,"b":null}})",
          R"({"status":"ok","notes":[1,{}],"services":[]})"}) {
        const auto body = read_health_body(text);
        ASSERT_TRUE(body) << text;
        EXPECT_EQ(body->overall, Health::pass);
        EXPECT_TRUE(body->components.empty()) << line(*body);
    }
}

TEST(HealthBody, LimitsCutAndSaySo) {
    std::string many = R"({"status":"ok","services":{)";
    for (std::size_t i = 0; i <= max_health_components; ++i)
        many += (i == 0 ? "\"s" : ",\"s") + std::to_string(i) + "\":\"ok\"";
    const auto cut = read_health_body(many + "}}");
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->components.size(), max_health_components);
    EXPECT_TRUE(cut->cut);
    std::string deep = R"({"status":"UP")", tail = "}";
    for (std::size_t i = 0; i <= max_health_depth; ++i) deep += R"(,"components":{"c":{"status":"UP")", tail += "}}";
    const auto nested = read_health_body(deep + tail);
    ASSERT_TRUE(nested) << nested.error().text;
    EXPECT_EQ(nested->components.size(), max_health_depth);
    EXPECT_TRUE(nested->cut);
    const auto wide = read_health_body(R"({"status":"pass","checks":{"a":[{"status":"fail","output":")" +
                                       std::string(5000, 'x') + "\"}]}}");
    ASSERT_TRUE(wide);
    EXPECT_EQ(wide->components[0].output.size(), max_health_output_bytes);
    EXPECT_TRUE(wide->cut);
}

TEST(HealthBody, WordsOfAllFamilies) {
    for (const char* word : {"pass", "OK", "Up", "HEALTHY", "passing"}) EXPECT_EQ(health_of_word(word), Health::pass);
    for (const char* word : {"warn", "Warning", "DEGRADED"}) EXPECT_EQ(health_of_word(word), Health::warn);
    for (const char* word : {"fail", "Error", "DOWN", "unhealthy", "out_of_service", "CRITICAL"})
        EXPECT_EQ(health_of_word(word), Health::fail);
    for (const char* word : {"", "unknown", "starting", "okay-ish", "true", "200"})
        EXPECT_EQ(health_of_word(word), Health::unknown) << "no evidence is never a pass";
}

HealthBody sample(Health overall) {
    HealthBody body;
    body.overall = overall;
    body.version = "1";
    body.timestamp = "2026-11-21T10:00:00Z";
    for (const Health health : healths)
        body.components.push_back(
            {.name = "c \"" + std::string(health_name(health)) + "\"\n", .status = health, .output = "why\x01 é"});
    return body;
}

TEST(HealthBody, WhatIsWrittenReadsBackAndNeverClaimsMore) {
    for (const HealthShape shape : shapes)
        for (const Health overall : healths) {
            const HealthBody body = sample(overall);
            const HealthText text = write_health_body(shape, body);
            const auto back = read_health_body(text.body);
            ASSERT_TRUE(back) << text.body << back.error().text;
            EXPECT_EQ(back->shape, shape) << text.body;
            ASSERT_EQ(back->components.size(), body.components.size());
            const auto same_or_less = [&](Health written, Health read) {
                if (read == written) return true;
                if (written == Health::unknown) return read == Health::fail;
                // These two have no word between up and down.
                return written == Health::warn && read == Health::pass &&
                       (shape == HealthShape::spring || shape == HealthShape::microprofile);
            };
            EXPECT_TRUE(same_or_less(overall, back->overall)) << text.body;
            for (std::size_t i = 0; i < body.components.size(); ++i) {
                EXPECT_EQ(back->components[i].name, body.components[i].name);
                EXPECT_TRUE(same_or_less(body.components[i].status, back->components[i].status)) << text.body;
            }
            HealthBody bare;
            bare.overall = overall;
            EXPECT_TRUE(read_health_body(write_health_body(shape, bare).body));
        }
}

TEST(HealthBody, WritesTheDocumentedShapes) {
    HealthBody body;
    body.overall = Health::warn;
    body.version = "1";
    body.timestamp = "t";
    body.components = {{.name = "a", .status = Health::pass, .output = "not shown on pass", .time = "t"},
                       {.name = "a", .status = Health::fail, .output = "refused"},
                       {.name = "b", .status = Health::warn}};
    EXPECT_EQ(
        write_health_body(HealthShape::health_json, body).body,
        R"({"status":"warn","version":"1","checks":{"a":[{"status":"pass","time":"t"},{"status":"fail","output":"refused"}],"b":[{"status":"warn"}]}})");
    EXPECT_EQ(write_health_body(HealthShape::health_json, body).content_type, "application/health+json");
    EXPECT_EQ(
        write_health_body(HealthShape::simple, body).body,
        R"({"status":"degraded","version":"1","services":{"a":"healthy","a":"unhealthy","b":"degraded"},"timestamp":"t"})");
    body.components.erase(body.components.begin());
    EXPECT_EQ(
        write_health_body(HealthShape::spring, body).body,
        R"({"status":"UP","components":{"a":{"status":"DOWN","details":{"error":"refused"}},"b":{"status":"UP","details":{"status":"DEGRADED"}}}})");
    EXPECT_EQ(
        write_health_body(HealthShape::microprofile, body).body,
        R"({"status":"UP","checks":[{"name":"a","status":"DOWN","data":{"error":"refused"}},{"name":"b","status":"UP"}]})");
    EXPECT_EQ(
        write_health_body(HealthShape::xabaril, body).body,
        R"({"status":"Degraded","totalDuration":"00:00:00","entries":{"a":{"data":{},"description":"refused","duration":"00:00:00","status":"Unhealthy","tags":[]},"b":{"data":{},"duration":"00:00:00","status":"Degraded","tags":[]}}})");
    HealthBody unknown;
    EXPECT_EQ(write_health_body(HealthShape::health_json, unknown).body,
              R"({"status":"fail","notes":["unknown: there is no evidence"]})");
}

}  // namespace
}  // namespace hale::wire
