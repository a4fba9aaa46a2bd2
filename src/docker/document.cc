#include "docker/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "docker/answers.h"
#include "docker/engine.h"

namespace hale::docker {

std::unexpected<Error> unreadable(std::string_view what, std::string_view why) { return fail(Code::corrupt, fmt::format("{} can't be read: {}", what, why)); }

Result<Json> parse_document(std::string_view what, std::string_view text) {
    if (text.size() > most_answer_bytes) return fail(Code::exhausted, fmt::format("{} is longer than {} bytes", what, most_answer_bytes));
    bool deep = false;
    const auto shallow = [&deep](int depth, Json::parse_event_t event, Json&) {
        if (depth > most_depth && (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start)) deep = true;
        return !deep;
    };
    Json parsed = Json::parse(text, shallow, false);
    if (deep) return unreadable(what, fmt::format("it is nested deeper than {}", most_depth));
    if (parsed.is_discarded()) return unreadable(what, "it is no JSON");
    return parsed;
}

Result<Json> parse_object(std::string_view what, std::string_view text) {
    HALE_ASSIGN(Json parsed, parse_document(what, text));
    if (!parsed.is_object()) return unreadable(what, "it is no JSON object");
    return parsed;
}

std::string plain(std::string_view text, std::size_t most) {
    if (text.size() > most) {
        while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
        text = text.substr(0, most);
    }
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
    while (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

const Json& member(const Json& of, const char* name) {
    static const Json none;
    if (!of.is_object()) return none;
    const auto found = of.find(name);
    return found == of.end() ? none : *found;
}

namespace {
std::string string_of(const Json& value, std::size_t most) { return value.is_string() ? plain(value.get_ref<const std::string&>(), most) : std::string{}; }
}  // namespace

std::string word(const Json& of, const char* name) { return string_of(member(of, name), most_name_bytes); }
std::string sentence(const Json& of, const char* name) { return string_of(member(of, name), most_message_bytes); }

std::int64_t whole_number(const Json& value, std::int64_t otherwise) {
    if (value.is_number_unsigned()) {
        constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        return static_cast<std::int64_t>(std::min(value.get<std::uint64_t>(), most));
    }
    return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

std::int64_t number(const Json& of, const char* name, std::int64_t otherwise) { return whole_number(member(of, name), otherwise); }
std::uint64_t size_of(const Json& of, const char* name) { return static_cast<std::uint64_t>(std::max<std::int64_t>(number(of, name), 0)); }
std::uint32_t count_of(const Json& of, const char* name) { return static_cast<std::uint32_t>(std::clamp<std::int64_t>(number(of, name), 0, 1ll << 31)); }

bool truth(const Json& of, const char* name) {
    const Json& value = member(of, name);
    return value.is_boolean() && value.get<bool>();
}

Duration nanoseconds_of(const Json& of, const char* name) { return Duration(std::max<std::int64_t>(number(of, name), 0)); }

std::optional<Utc> instant(const Json& of, const char* name) {
    const auto at = parse_rfc3339(word(of, name));
    // Podman writes 0, and Docker the year 1, for what never was.
    return at && *at > Utc{} ? at : std::nullopt;
}

std::optional<Ip> address(const Json& of, const char* name) { return Ip::parse(word(of, name)); }

std::vector<std::string> words(const Json& of, const char* name) {
    std::vector<std::string> out;
    const Json& list = member(of, name);
    if (!list.is_array()) return out;
    for (const Json& one : list) {
        if (out.size() == most_items) break;
        if (one.is_string()) out.push_back(string_of(one, most_message_bytes));
    }
    return out;
}

std::map<std::string, std::string> labels_of(const Json& of, const char* name) {
    std::map<std::string, std::string> out;
    const Json& all = member(of, name);
    if (!all.is_object()) return out;
    for (const auto& [key, value] : all.items()) {
        if (out.size() == most_labels) break;
        if (value.is_string() && key.size() <= most_name_bytes) out.emplace(key, string_of(value, most_label_bytes));
    }
    return out;
}

}  // namespace hale::docker
