#include "wire/health_body.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"

namespace hale::wire {

namespace {

namespace dom = simdjson::dom;

struct Word {
    std::string_view text;
    Health health;
};
constexpr std::array<Word, 16> words{{{"pass", Health::pass},
                                      {"ok", Health::pass},
                                      {"up", Health::pass},
                                      {"healthy", Health::pass},
                                      {"passing", Health::pass},
                                      {"warn", Health::warn},
                                      {"warning", Health::warn},
                                      {"degraded", Health::warn},
                                      {"fail", Health::fail},
                                      {"error", Health::fail},
                                      {"down", Health::fail},
                                      {"unhealthy", Health::fail},
                                      {"out_of_service", Health::fail},
                                      {"critical", Health::fail},
                                      {"failed", Health::fail},
                                      {"failing", Health::fail}}};

std::optional<std::string_view> text_at(dom::object object, std::string_view key) {
    std::string_view value;
    if (object[key].get_string().get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
}

std::optional<dom::object> object_at(dom::object object, std::string_view key) {
    dom::object value;
    if (object[key].get_object().get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
}

std::optional<dom::array> array_at(dom::object object, std::string_view key) {
    dom::array value;
    if (object[key].get_array().get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
}

std::optional<dom::object> as_object(dom::element element) {
    dom::object value;
    if (element.get_object().get(value) != simdjson::SUCCESS) return std::nullopt;
    return value;
}

void take_text(dom::object object, std::string_view key, std::string& into) {
    if (const auto text = text_at(object, key)) into = *text;
}

// One document on its way into a HealthBody.
class Reader {
public:
    explicit Reader(HealthBody& body) : body_(body) {}

    void health_json(dom::object checks) {
        for (const auto [name, value] : checks) {
            dom::array measurements;
            if (value.get_array().get(measurements) != simdjson::SUCCESS) {
                if (const auto one = as_object(value)) measurement(name, *one);  // The draft says array; some forget.
                continue;
            }
            for (const dom::element element : measurements)
                if (const auto one = as_object(element)) measurement(name, *one);
        }
    }

    // Components with a status; those that hold components of their own are followed.
    void spring(dom::object components, std::string_view member, const std::string& prefix, std::size_t depth) {
        for (const auto [name, value] : components) {
            const auto component = as_object(value);
            if (!component) continue;
            const auto word = text_at(*component, "status");
            if (!word) continue;
            const std::string full = fmt::format("{}{}", prefix, name);
            add(full, *word, details(*component, "details", "error"));
            const auto inner = object_at(*component, member);
            if (!inner) continue;
            if (depth >= max_health_depth)
                body_.cut = true;
            else
                spring(*inner, member, full + "/", depth + 1);
        }
    }

    void microprofile(dom::array checks) {
        for (const dom::element element : checks) {
            const auto check = as_object(element);
            const auto name = check ? text_at(*check, "name") : std::nullopt;
            if (!name) continue;
            add(*name, text_at(*check, "status").value_or(""), details(*check, "data", "error"));
        }
    }

    void xabaril(dom::object entries) {
        for (const auto [name, value] : entries) {
            const auto entry = as_object(value);
            if (!entry) continue;
            const auto why = text_at(*entry, "description");
            add(name, text_at(*entry, "status").value_or(""),
                std::string(why ? *why : text_at(*entry, "exception").value_or("")));
        }
    }

    void simple(dom::object services) {
        for (const auto [name, value] : services) {
            std::string_view word;
            if (value.get_string().get(word) == simdjson::SUCCESS)
                add(name, word, "");
            else if (const auto service = as_object(value))
                add(name, text_at(*service, "status").value_or(""),
                    std::string(text_at(*service, "error").value_or(text_at(*service, "message").value_or(""))));
        }
    }

private:
    void measurement(std::string_view name, dom::object check) {
        std::string output{text_at(check, "output").value_or("")};
        dom::element observed;
        if (output.empty() && check["observedValue"].get(observed) == simdjson::SUCCESS)
            output = fmt::format("{} {}", minified(observed), text_at(check, "observedUnit").value_or(""));
        if (HealthComponent* added = add(name, text_at(check, "status").value_or(""), std::string(trim(output))))
            take_text(check, "time", added->time);
    }

    // The text under `object[member][key]`, else all of `object[member]` as JSON, unless it is empty.
    static std::string details(dom::object object, std::string_view member, std::string_view key) {
        const auto inner = object_at(object, member);
        if (!inner || inner->size() == 0) return {};
        if (const auto text = text_at(*inner, key)) return std::string(*text);
        return simdjson::to_string(*inner);
    }

    static std::string minified(dom::element element) {
        std::string_view text;
        if (element.get_string().get(text) == simdjson::SUCCESS) return std::string(text);
        return simdjson::to_string(element);
    }

    HealthComponent* add(std::string_view name, std::string_view word, std::string output) {
        if (body_.components.size() >= max_health_components) {
            body_.cut = true;
            return nullptr;
        }
        if (output.size() > max_health_output_bytes) {
            output.resize(max_health_output_bytes);
            body_.cut = true;
        }
        body_.components.push_back({std::string(name), health_of_word(word), std::move(output), {}});
        return &body_.components.back();
    }

    HealthBody& body_;
};

// A body with nothing but a status: its word tells the family.
HealthShape shape_of_word(std::string_view word) {
    for (const std::string_view spring : {"UP", "DOWN", "OUT_OF_SERVICE", "UNKNOWN"})
        if (word == spring) return HealthShape::spring;
    for (const std::string_view xabaril : {"Healthy", "Degraded", "Unhealthy"})
        if (word == xabaril) return HealthShape::xabaril;
    for (const std::string_view draft : {"pass", "warn", "fail"})
        if (equal_ignoring_case(word, draft)) return HealthShape::health_json;
    return HealthShape::simple;
}

bool holds_statuses(dom::object members) {
    return std::any_of(members.begin(), members.end(), [](const auto& member) {
        const auto inner = as_object(member.value);
        return inner && text_at(*inner, "status");
    });
}

void read_components(dom::object root, HealthBody& body) {
    Reader reader(body);
    if (const auto components = object_at(root, "components")) {
        body.shape = HealthShape::spring;
        reader.spring(*components, "components", "", 1);
    } else if (const auto entries = object_at(root, "entries")) {
        body.shape = HealthShape::xabaril;
        reader.xabaril(*entries);
    } else if (const auto list = array_at(root, "checks")) {
        body.shape = HealthShape::microprofile;
        reader.microprofile(*list);
    } else if (const auto checks = object_at(root, "checks")) {
        body.shape = HealthShape::health_json;
        reader.health_json(*checks);
    } else if (const auto services = object_at(root, "services")) {
        body.shape = HealthShape::simple;
        reader.simple(*services);
    } else if (const auto old = object_at(root, "details"); old && holds_statuses(*old)) {
        body.shape = HealthShape::spring;  // Spring Boot 2.0 called them so.
        reader.spring(*old, "details", "", 1);
    } else {
        body.shape = shape_of_word(body.status);
    }
}

Result<HealthBody> not_health(std::string_view what, std::string_view text) {
    return fail(Code::invalid,
                fmt::format("read the answer as a health body: {} (it begins \"{}\")", what, escaped(text, 40)));
}

}  // namespace

std::string_view shape_name(HealthShape shape) {
    static constexpr std::array<std::string_view, 5> names{"health+json", "spring", "microprofile", "xabaril",
                                                           "simple"};
    return names[static_cast<std::size_t>(shape)];
}

std::string_view health_name(Health health) {
    static constexpr std::array<std::string_view, 4> names{"pass", "warn", "fail", "unknown"};
    return names[static_cast<std::size_t>(health)];
}

Health health_of_word(std::string_view word) {
    const auto found = std::ranges::find_if(words, [&](const Word& w) { return equal_ignoring_case(w.text, word); });
    return found == words.end() ? Health::unknown : found->health;
}

Result<HealthBody> read_health_body(std::string_view text) {
    if (text.size() > max_health_body_bytes) return not_health("it is larger than 1 MiB", text);
    dom::parser parser;
    dom::element document;
    if (const auto error = parser.parse(text.data(), text.size()).get(document); error != simdjson::SUCCESS)
        return not_health(fmt::format("it is not JSON: {}", simdjson::error_message(error)), text);
    const auto root = as_object(document);
    if (!root) return not_health("it is not a JSON object", text);
    const auto word = text_at(*root, "status");
    if (!word) return not_health("it has no \"status\" that is a string", text);
    HealthBody body;
    body.status = *word;
    body.overall = health_of_word(*word);
    take_text(*root, "version", body.version);
    take_text(*root, "releaseId", body.release_id);
    take_text(*root, "serviceId", body.service_id);
    take_text(*root, "description", body.description);
    take_text(*root, "timestamp", body.timestamp);
    if (const auto notes = array_at(*root, "notes"))
        for (const dom::element note : *notes) {
            std::string_view line;
            if (note.get_string().get(line) != simdjson::SUCCESS) continue;
            if (body.notes.size() == max_health_components)
                body.cut = true;
            else
                body.notes.emplace_back(line);
        }
    read_components(*root, body);
    return body;
}

}  // namespace hale::wire
