#include "api/openapi.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "api/json_writer.h"
#include "api/route_table.h"
#include "base/text.h"

namespace hale::api {

namespace {

struct Schema {
    std::string_view name;
    std::string_view json;
};

#define HALE_LIST(item) R"({"type":"object","required":["revision","items","next"],"properties":{"revision":{"type":"integer"},"items":{"type":"array","items":)" item R"(},"next":{"type":["string","null"]}}})"
#define HALE_REF(name) R"({"$ref":"#/components/schemas/)" name R"("})"

constexpr Schema schemas[] = {
    {"Any", R"({})"},
    {"Problem", R"({"type":"object","required":["type","title","status","detail","code"],"properties":{"type":{"type":"string"},"title":{"type":"string"},"status":{"type":"integer"},"detail":{"type":"string"},"code":{"type":"string"},"revision":{"type":"integer"},"errors":{"type":"array","items":{"type":"object","required":["pointer","detail"],"properties":{"pointer":{"type":"string"},"detail":{"type":"string"},"file":{"type":"string"},"line":{"type":"integer"}}}}}})"},
    {"State", R"({"enum":["pending","healthy","degraded","unhealthy","unknown"]})"},
    {"Reason", R"({"type":"object","required":["code","text","retryable"],"properties":{"code":{"type":"string"},"text":{"type":"string"},"retryable":{"type":"boolean"}}})"},
    {"OverrideInForce", R"({"type":["object","null"],"properties":{"state":{"enum":["up","down","maintenance"]},"scope":{"enum":["service","instance"]},"author":{"type":"string"},"reason":{"type":"string"},"created":{"type":"string","format":"date-time"},"expires":{"type":"string","format":"date-time"}}})"},
    {"InstanceVerdict", R"({"type":"object","required":["id","service","instance","address","generation","state","lifecycle","flags","eligible","held","version","revision","reason","checks","override"],"properties":{"id":{"type":"string"},"service":{"type":"string"},"instance":{"type":"string"},"address":{"type":"string"},"resolved":{"type":["string","null"]},"generation":{"type":"integer"},"state":{"$ref":"#/components/schemas/State"},"lifecycle":{"enum":["starting","serving","draining","retired"]},"flags":{"type":"array","items":{"type":"string"}},"eligible":{"type":"boolean"},"held":{"type":"boolean"},"version":{"type":"integer"},"revision":{"type":"integer"},"since":{"type":["string","null"],"format":"date-time"},"observed_at":{"type":["string","null"],"format":"date-time"},"age":{"type":["number","null"]},"reason":{"$ref":"#/components/schemas/Reason"},"checks":{"type":"object"},"override":{"$ref":"#/components/schemas/OverrideInForce"},"last_probe":{"type":["object","null"]},"next_probe":{"type":["string","null"],"format":"date-time"}}})"},
    {"InstanceList", HALE_LIST(HALE_REF("InstanceVerdict"))},
    {"ServiceVerdict", R"({"type":"object","required":["service","state","instances","checks","panic","override","version","revision","since","reason"],"properties":{"service":{"type":"string"},"state":{"$ref":"#/components/schemas/State"},"instances":{"type":"object"},"checks":{"type":"object"},"panic":{"type":"boolean"},"override":{"$ref":"#/components/schemas/OverrideInForce"},"version":{"type":"integer"},"revision":{"type":"integer"},"since":{"type":["string","null"],"format":"date-time"},"reason":{"$ref":"#/components/schemas/Reason"}}})"},
    {"ServiceList", HALE_LIST(HALE_REF("ServiceVerdict"))},
    {"ServiceDeclared", R"({"type":"object","required":["service","owner","revision","verdict"],"properties":{"service":{"type":"string"},"owner":{"enum":["file","api","labels"]},"spec":{"$ref":"#/components/schemas/Service"},"revision":{"type":"integer"},"verdict":{"$ref":"#/components/schemas/ServiceVerdict"}}})"},
    {"Service", R"({"type":"object","description":"As under services: in the configuration; see hale config schema"})"},
    {"Instance", R"({"description":"An address, or an object with address, name, weight, check","type":["string","object"]})"},
    {"Route", R"({"type":"object","required":["host","service"],"properties":{"host":{"type":"string"},"path":{"type":"string"},"strip":{"type":"boolean"},"service":{"type":"string"},"project":{"type":"string"}}})"},
    {"RouteAdd", R"({"type":"object","required":["host","targets"],"properties":{"host":{"type":"string"},"targets":{"type":"array","items":{"type":"string"}},"service":{"type":"string"},"path":{"type":"string"},"health_path":{"type":"string","default":"/up"},"project":{"type":"string"},"strip":{"type":"boolean"},"tls":{"type":"boolean"}}})"},
    {"RouteList", HALE_LIST(HALE_REF("Route"))},
    {"Check", R"({"type":"object","description":"As under checks: in the configuration; see hale config schema"})"},
    {"CheckDeclared", R"({"type":"object","required":["service","check","owner","revision","spec"],"properties":{"service":{"type":"string"},"check":{"type":"string"},"owner":{"enum":["file","api","labels"]},"revision":{"type":"integer"},"spec":{"$ref":"#/components/schemas/Check"}}})"},
    {"NewCheck", R"({"type":"object","required":["service","check","spec"],"properties":{"service":{"type":"string"},"check":{"type":"string"},"spec":{"$ref":"#/components/schemas/Check"}}})"},
    {"CheckList", HALE_LIST(HALE_REF("CheckDeclared"))},
    {"Override", R"({"type":"object","required":["state","reason"],"properties":{"state":{"enum":["up","down","maintenance"]},"for":{"description":"duration, default 1h","type":["string","number"]},"reason":{"type":"string"}}})"},
    {"Weight", R"({"type":"object","required":["weight"],"properties":{"weight":{"type":"integer","minimum":0,"maximum":1000}}})"},
    {"Pause", R"({"type":"object","properties":{"max":{"description":"duration, default 30s","type":["string","number"]}}})"},
    {"Verify", R"({"type":"object","properties":{"timeout":{"description":"duration, default 30s","type":["string","number"]}}})"},
    {"Verified", R"({"type":"object","required":["end","eligible","instances","revision"],"properties":{"end":{"enum":["eligible","not_eligible","nothing_to_verify","timed_out"]},"eligible":{"type":"boolean"},"timeout":{"type":"number"},"revision":{"type":"integer"},"instances":{"type":"array","items":{"type":"object"}}}})"},
    {"Checked", R"({"type":"object","required":["object","outcome","results"],"properties":{"object":{"type":"string"},"outcome":{"enum":["pass","warn","fail","error"]},"revision":{"type":"integer"},"results":{"type":"array","items":{"type":"object"}}}})"},
    {"Heartbeat", R"({"type":"object","properties":{"outcome":{"enum":["pass","warn","fail"]},"text":{"type":"string"}}})"},
    {"Accepted", R"({"type":"object","properties":{"accepted":{"type":"boolean"}}})"},
    {"Done", R"({"type":"object","required":["revision"],"properties":{"revision":{"type":"integer"},"id":{"type":"string"}}})"},
    {"Resolved", R"({"type":"object","required":["target","kind","service"],"properties":{"target":{"type":"string"},"kind":{"enum":["service","instance","host"]},"service":{"type":"string"},"instance":{"type":["string","null"]},"name":{"type":["string","null"]},"host":{"type":["string","null"]},"path":{"type":["string","null"]},"route":{"type":["string","null"]}}})"},
    {"Explanation", R"({"type":"object","required":["target","kind","service","serving","instances","text"],"properties":{"target":{"type":"string"},"kind":{"type":"string"},"revision":{"type":"integer"},"service":{"$ref":"#/components/schemas/ServiceVerdict"},"serving":{"type":"object"},"instances":{"type":"array","items":{"type":"object"}},"text":{"type":"array","items":{"type":"string"}},"try":{"type":"array","items":{"type":"string"}}}})"},
    {"Audit", HALE_LIST(R"({"type":"object"})")},
    {"Token", R"({"type":"object","required":["name","role"],"properties":{"name":{"type":"string"},"role":{"enum":["read","operate","admin"]},"for":{"description":"duration; absent: no expiry","type":["string","number"]}}})"},
    {"NewToken", R"({"type":"object","required":["name","role","secret"],"properties":{"name":{"type":"string"},"role":{"type":"string"},"secret":{"type":"string"},"revision":{"type":"integer"}}})"},
    {"Certificate", R"({"type":"object","properties":{"host":{"type":"string"},"state":{"enum":["pending","acquiring","active","renewing","failed","expired"]},"reason":{"type":["string","null"]},"source":{"description":"acme, or the path of a file","type":"string"},"not_before":{"type":["string","null"]},"not_after":{"type":["string","null"]},"issuer":{"type":"string"},"fingerprint":{"type":"string"},"authority":{"type":["string","null"]},"next_attempt":{"type":["string","null"]},"failures":{"type":"integer"}}})"},
    {"CertificateList", HALE_LIST(R"({"$ref":"#/components/schemas/Certificate"})")},
    {"TokenList", HALE_LIST(R"({"type":"object"})")},
    {"Config", R"({"type":"object","properties":{"source":{"type":"string"},"fingerprint":{"type":"string"},"reload":{"type":"object"},"warnings":{"type":"array"},"effective":{"type":"array"}}})"},
    {"Deploy", R"({"type":"object","properties":{"targets":{"type":"array","items":{"type":"string"}},"image":{"description":"short for deploy: {image}","type":"string"},"deploy":{"description":"as a service's deploy: in the configuration; what is said replaces what that says","type":"object"},"host":{"description":"makes the route, and the service where there is none","type":"string"},"path":{"type":"string"},"strip":{"type":"boolean"},"health_path":{"type":"string"},"project":{"type":"string"},"tls":{"type":"boolean"},"timeout":{"description":"of the verification","type":["string","number"]},"dry_run":{"type":"boolean"}}})"},
    {"Rollback", R"({"type":"object","properties":{"to":{"description":"a deployment's id or number; default: what the service had before the last","type":"string"}}})"},
    {"Scale", R"({"type":"object","required":["replicas"],"properties":{"replicas":{"type":"integer","minimum":1,"maximum":64}}})"},
    {"DeployApplication", R"({"type":"object","required":["compose"],"properties":{"force":{"description":"new containers, also where nothing changed","type":"boolean"},"compose":{"description":"the text of a compose file","type":"string"},"variables":{"description":"what ${NAME} in it is","type":"object","additionalProperties":{"type":"string"}},"timeout":{"description":"of the verification","type":["string","number"]},"dry_run":{"type":"boolean"}}})"},
    {"Replay", R"({"type":"object","required":["deployment","same","steps","end"],"properties":{"deployment":{"type":"string"},"same":{"type":"boolean"},"whole":{"type":"boolean"},"steps":{"type":"array","items":{"type":"object"}},"end":{"type":"object"}}})"},
    {"Begun", R"({"type":"object","properties":{"revision":{"type":"integer"},"deployment":{"type":"string"},"service":{"type":"string"},"number":{"type":"integer"},"plan":{"$ref":"#/components/schemas/Deployment"}}})"},
    {"Deployment", R"({"type":"object","required":["id","service","number","phase","over","fault","instances","phases"],"properties":{"id":{"type":"string"},"service":{"type":"string"},"number":{"type":"integer"},"actor":{"type":"string"},"created":{"type":["string","null"],"format":"date-time"},"phase":{"enum":["requested","pulling","yielding","creating","starting","verifying","switching","baking","draining","retiring","rolling_back","done","rolled_back","superseded","failed"]},"doing":{"description":"how far it is in that phase, where that is told: of a pull, layers and bytes","type":["string","null"]},"over":{"type":"boolean"},"entered":{"type":["string","null"],"format":"date-time"},"deadline":{"type":["string","null"],"format":"date-time"},"longest":{"description":"seconds, the sum of all deadlines","type":"number"},"seconds":{"description":"from its beginning to the present phase","type":"number"},"users_switched":{"type":"boolean"},"image":{"type":["string","null"]},"fault":{"type":["object","null"]},"instances":{"type":"array","items":{"type":"object"}},"proxy":{"type":["string","null"]},"accepted":{"description":"why it was switched to although its check fails","type":["string","null"]},"baked":{"description":"what users met while it baked","type":["string","null"]},"failures":{"description":"of containers, with a circuit breaker","type":["object","null"]},"waves":{"type":["object","null"]},"from":{"type":"array","items":{"type":"string"}},"gone":{"type":"array","items":{"type":"string"}},"before":{"type":"array","items":{"type":"string"}},"deadlines":{"type":"object"},"phases":{"type":"array","items":{"type":"object"}}}})"},
    {"DeploymentList", HALE_LIST(R"({"$ref":"#/components/schemas/Deployment"})")},
    {"Container", R"({"type":"object","required":["name","service","image","state"],"properties":{"name":{"type":"string"},"id":{"type":"string"},"service":{"type":"string"},"deployment":{"type":"string"},"number":{"type":["integer","null"]},"image":{"type":"string"},"image_id":{"type":"string"},"digest":{"type":["string","null"]},"state":{"enum":["unknown","created","running","paused","restarting","removing","exited","dead"]},"health":{"type":["string","null"],"description":"the container's own"},"created":{"type":["string","null"],"format":"date-time"},"started":{"type":["string","null"],"format":"date-time"},"uptime":{"type":["number","null"]},"restarts":{"type":"integer"},"finished":{"type":["string","null"],"format":"date-time"},"exit_code":{"type":["integer","null"]},"stopped":{"type":["object","null"],"properties":{"code":{"enum":["oom","error","by_hale","killed","terminated","signal","failed","ended","created"]},"text":{"type":"string"}}},"oom":{"type":"boolean"},"instance":{"type":["string","null"]},"verdict":{"type":["string","null"]},"lifecycle":{"type":["string","null"]},"eligible":{"type":"boolean"}}})"},
    {"ContainerList", HALE_LIST(R"({"$ref":"#/components/schemas/Container"})")},
    {"Lines", R"({"description":"one a line: what was written, or why a container can't be read any more; empty lines mean nothing","type":"object","required":["container"],"properties":{"container":{"type":"string"},"source":{"enum":["output","errors"]},"at":{"type":"string","format":"date-time"},"line":{"type":"string"},"error":{"type":"string"}}})"},
    {"Command", R"({"type":"object","required":["command"],"properties":{"command":{"type":"array","items":{"type":"string"}},"user":{"type":"string"},"folder":{"type":"string"},"timeout":{"type":["string","number"]}}})"},
    {"CommandDone", R"({"type":"object","required":["container","exit_code","output","errors","truncated"],"properties":{"container":{"type":"string"},"exit_code":{"type":"integer"},"output":{"type":"string"},"errors":{"type":"string"},"truncated":{"type":"boolean"}}})"},
    {"ByHand", R"({"type":"object","properties":{"force":{"description":"the last eligible instance, too","type":"boolean"},"timeout":{"description":"for all of it; default 2m","type":["string","number"]}}})"},
    {"ActedOn", R"({"type":"object","required":["revision","instance","container","eligible"],"properties":{"revision":{"type":"integer"},"instance":{"type":"string"},"container":{"description":"its state","type":"string"},"eligible":{"type":"boolean"},"moved":{"description":"it came up at another address","type":"boolean"},"address":{"type":["string","null"]},"exit_code":{"type":"integer"},"seconds":{"type":"number"}}})"},
    {"Upgraded", R"({"type":"object","required":["pid","version","took"],"properties":{"pid":{"type":"integer"},"version":{"type":"string"},"took":{"type":"number"}}})"},
    {"Doctor", R"({"type":"object","required":["status","findings"],"properties":{"status":{"enum":["pass","warn","fail"]},"findings":{"type":"array","items":{"type":"object"}}}})"},
    {"ServiceDiscovery", R"({"type":"array","items":{"type":"object"}})"},
    {"Health", R"({"type":"object","required":["status"],"properties":{"status":{"enum":["pass","warn","fail"]}}})"},
    {"Text", R"({"type":"string"})"},
};

std::string_view media_type(std::string_view answer, std::string_view id) {
    if (answer == "Lines") return "application/x-ndjson";
    if (answer == "Health") return "application/health+json";
    if (answer != "Text") return "application/json";
    return id == "events" ? "text/event-stream" : "text/plain";
}

std::string_view says(std::string_view status) {
    if (status == "201") return "made";
    if (status == "202") return "accepted";
    return status == "503" ? "not well" : "done";
}

void write_parameters(JsonWriter& json, const Route& route) {
    json.open("parameters", '[');
    std::string_view rest = route.path;
    for (auto open = rest.find('{'); open != std::string_view::npos; open = rest.find('{')) {
        const auto close = rest.find('}', open);
        json.open('{').text("name", rest.substr(open + 1, close - open - 1)).text("in", "path").boolean("required", true).raw("schema", R"({"type":"string"})").close('}');
        rest.remove_prefix(close + 1);
    }
    for (const auto key : split(route.queries, ' '))
        if (!key.empty()) json.open('{').text("name", key).text("in", "query").raw("schema", R"({"type":"string"})").close('}');
    const auto header = [&](std::string_view name, std::string_view says) {
        json.open('{').text("name", name).text("in", "header").text("description", says).raw("schema", R"({"type":"string"})").close('}');
    };
    if (takes_key(route)) header("Idempotency-Key", "At most 255 bytes. The first answer is kept for 24 h and given again");
    if (takes_match(route)) header("If-Match", "The object's ETag: 412 when it was changed since");
    json.close(']');
}

void write_operation(JsonWriter& json, const Route& route) {
    json.open(lower(wire::method_text(route.method)), '{').text("operationId", route.id).text("summary", route.summary).text("x-hale-role", to_text(route.access));
    json.open("security", '[');
    if (route.access == Access::open || route.access == Access::metrics) json.raw("{}");
    if (route.access != Access::open) json.raw(R"({"token":[]})");
    json.close(']');
    write_parameters(json, route);
    if (!route.body.empty())
        json.raw("requestBody", fmt::format(R"({{"required":{},"content":{{"application/json":{{"schema":{{"$ref":"#/components/schemas/{}"}}}}}}}})",
                                            route.body != "Heartbeat" && route.body != "Verify" && route.body != "Pause" && route.body != "ByHand", route.body));
    json.open("responses", '{');
    for (const auto code : split(route.statuses, ' ')) {
        if (code == "304") json.raw(code, R"({"description":"the caller has it already"})");
        else json.raw(code, fmt::format(R"({{"description":"{}","content":{{"{}":{{"schema":{{"$ref":"#/components/schemas/{}"}}}}}}}})", says(code), media_type(route.answer, route.id), route.answer));
    }
    json.raw("default", R"({"description":"a problem","content":{"application/problem+json":{"schema":{"$ref":"#/components/schemas/Problem"}}}})");
    json.close('}').close('}');
}

}  // namespace

std::string openapi_document(std::string_view version) {
    std::map<std::string_view, std::vector<const Route*>> paths;
    for (const Route& route : all_routes()) paths[route.path].push_back(&route);
    std::string out;
    JsonWriter json(out);
    json.open('{').text("openapi", "3.1.0").open("info", '{').text("title", "Hale").text("version", version).close('}').open("paths", '{');
    for (const auto& [path, routes] : paths) {
        json.open(path, '{');
        for (const Route* route : routes) write_operation(json, *route);
        json.close('}');
    }
    json.close('}').open("components", '{').open("schemas", '{');
    for (const auto& schema : schemas) json.raw(schema.name, schema.json);
    json.close('}').open("securitySchemes", '{').raw("token", R"({"type":"http","scheme":"bearer"})").close('}').close('}').close('}');
    return out;
}

}  // namespace hale::api
