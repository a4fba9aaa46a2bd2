#include <array>

#include "base/text.h"
#include "wire/health_body.h"

// Five small documents. Written by appending: they are answered to every health request, and a JSON tree would
// be built only to be thrown away.

namespace hale::wire {

namespace {

using Words = std::array<std::string_view, 4>;  // For pass, warn, fail, unknown.
constexpr Words draft_words{"pass", "warn", "fail", "fail"};
constexpr Words spring_words{"UP", "UP", "DOWN", "UNKNOWN"};
constexpr Words microprofile_words{"UP", "UP", "DOWN", "DOWN"};
constexpr Words xabaril_words{"Healthy", "Degraded", "Unhealthy", "Unhealthy"};
constexpr Words simple_words{"healthy", "degraded", "unhealthy", "unknown"};

std::string_view said(const Words& in, Health health) { return in[static_cast<std::size_t>(health)]; }

// Appends members, and knows when a comma is due.
class Json {
public:
    void open(char bracket) {
        comma();
        out_ += bracket;
        fresh_ = true;
    }
    void open(std::string_view key, char bracket) {
        name(key);
        out_ += bracket;
        fresh_ = true;
    }
    void close(char bracket) {
        out_ += bracket;
        fresh_ = false;
    }
    void text(std::string_view value) {
        comma();
        quote(value);
    }
    void text(std::string_view key, std::string_view value) {
        name(key);
        quote(value);
    }
    void text_unless_empty(std::string_view key, std::string_view value) {
        if (!value.empty()) text(key, value);
    }
    std::string take() { return std::move(out_); }

private:
    void comma() {
        if (!fresh_) out_ += ',';
        fresh_ = false;
    }
    void quote(std::string_view value) {
        out_ += '"';
        append_json_escaped(out_, value);
        out_ += '"';
    }
    void name(std::string_view key) {
        comma();
        quote(key);
        out_ += ':';
    }

    std::string out_;
    bool fresh_ = true;
};

void write_notes(Json& json, const HealthBody& health) {
    const bool explain = health.overall == Health::unknown && health.notes.empty();
    if (health.notes.empty() && !explain) return;
    json.open("notes", '[');
    for (const std::string& note : health.notes) json.text(note);
    if (explain) json.text("unknown: there is no evidence");
    json.close(']');
}

void write_draft(Json& json, const HealthBody& health) {
    json.text("status", said(draft_words, health.overall));
    json.text_unless_empty("version", health.version);
    json.text_unless_empty("releaseId", health.release_id);
    json.text_unless_empty("serviceId", health.service_id);
    json.text_unless_empty("description", health.description);
    write_notes(json, health);
    if (health.components.empty()) return;
    json.open("checks", '{');
    const std::string* open = nullptr;  // Neighbours of one name share its array.
    for (const HealthComponent& component : health.components) {
        if (open == nullptr || *open != component.name) {
            if (open != nullptr) json.close(']');
            json.open(component.name, '[');
            open = &component.name;
        }
        json.open('{');
        json.text("status", said(draft_words, component.status));
        json.text_unless_empty("time", component.time);
        if (component.status != Health::pass) json.text_unless_empty("output", component.output);
        json.close('}');
    }
    json.close(']');
    json.close('}');
}

void write_spring(Json& json, const HealthBody& health) {
    json.text("status", said(spring_words, health.overall));
    if (health.components.empty()) return;
    json.open("components", '{');
    for (const HealthComponent& component : health.components) {
        json.open(component.name, '{');
        json.text("status", said(spring_words, component.status));
        const bool degraded = component.status == Health::warn;
        if (degraded || !component.output.empty()) {
            json.open("details", '{');
            if (degraded) json.text("status", "DEGRADED");
            json.text_unless_empty(component.status == Health::fail ? "error" : "output", component.output);
            json.close('}');
        }
        json.close('}');
    }
    json.close('}');
}

void write_microprofile(Json& json, const HealthBody& health) {
    json.text("status", said(microprofile_words, health.overall));
    json.open("checks", '[');
    for (const HealthComponent& component : health.components) {
        json.open('{');
        json.text("name", component.name);
        json.text("status", said(microprofile_words, component.status));
        if (!component.output.empty()) {
            json.open("data", '{');
            json.text(component.status == Health::fail ? "error" : "output", component.output);
            json.close('}');
        }
        json.close('}');
    }
    json.close(']');
}

void write_xabaril(Json& json, const HealthBody& health) {
    constexpr std::string_view no_time = "00:00:00";  // A .NET TimeSpan; we answer from memory.
    json.text("status", said(xabaril_words, health.overall));
    json.text("totalDuration", no_time);
    json.open("entries", '{');
    for (const HealthComponent& component : health.components) {
        json.open(component.name, '{');
        json.open("data", '{');
        json.close('}');
        json.text_unless_empty("description", component.output);
        json.text("duration", no_time);
        json.text("status", said(xabaril_words, component.status));
        json.open("tags", '[');
        json.close(']');
        json.close('}');
    }
    json.close('}');
}

void write_simple(Json& json, const HealthBody& health) {
    json.text("status", said(simple_words, health.overall));
    json.text("version", health.version);
    json.open("services", '{');
    for (const HealthComponent& component : health.components)
        json.text(component.name, said(simple_words, component.status));
    json.close('}');
    json.text("timestamp", health.timestamp);
}

}  // namespace

HealthText write_health_body(HealthShape shape, const HealthBody& health) {
    Json json;
    json.open('{');
    std::string_view content_type = "application/json";
    switch (shape) {
        case HealthShape::health_json:
            content_type = "application/health+json";
            write_draft(json, health);
            break;
        case HealthShape::spring:
            content_type = "application/vnd.spring-boot.actuator.v3+json";
            write_spring(json, health);
            break;
        case HealthShape::microprofile:
            write_microprofile(json, health);
            break;
        case HealthShape::xabaril:
            write_xabaril(json, health);
            break;
        case HealthShape::simple:
            write_simple(json, health);
            break;
    }
    json.close('}');
    return {content_type, json.take()};
}

}  // namespace hale::wire
