#include "config/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "config/keys.h"

namespace hale::config {

bool is_variable_name(std::string_view name) {
    const auto letter = [](char c) { return c == '_' || (lower(c) >= 'a' && lower(c) <= 'z'); };
    return !name.empty() && letter(name.front()) &&
           std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

namespace {

constexpr std::size_t max_expanded_bytes = 64 * 1024;  // Of one scalar after its variables were put in.

// What YAML 1.1 readers take for a boolean and YAML 1.2 for a word.
bool is_old_boolean(std::string_view text) {
    const std::string word = lower(text);
    return word == "yes" || word == "no" || word == "on" || word == "off" || word == "y" || word == "n" ||
           word == "true" || word == "false";
}

std::string_view shape_name(const Node& node) {
    switch (node.shape) {
        case Node::Shape::null: return "nothing";
        case Node::Shape::scalar: return "a plain value";
        case Node::Shape::list: return "a list";
        case Node::Shape::map: return "a map";
    }
    return "";
}

std::string quoted(const Node& node) { return node.secret ? "\"***\"" : fmt::format("\"{}\"", escaped(node.text, 60)); }

}  // namespace

Reading::Elsewhere::Elsewhere(Reading& reading, std::initializer_list<std::string_view> path)
    : reading_(reading), kept_(std::move(reading.path_)) {
    reading_.path_.clear();
    for (const std::string_view step : path) reading_.path_.push_back({step, 0});
}

std::string Reading::path_text() const {
    std::string out;
    for (const PathStep& step : path_) {
        if (step.name.empty()) out += fmt::format("[{}]", step.index);
        else out += fmt::format("{}{}", out.empty() ? "" : ".", escaped(step.name, 100));
    }
    return out;
}

std::string Reading::pointer_text() const {
    std::string out;
    for (const PathStep& step : path_) out += step.name.empty() ? fmt::format("/{}", step.index) : pointer_step(step.name);
    return out;
}

Mark Reading::mark(const Place& place) const {
    return {place.file < files.size() ? files[place.file] : SharedText{}, place.line, place.column};
}

void Reading::take(Problem problem) {
    // A default that is wrong is read once per service and said once.
    if (problems_.size() >= max_problems) {
        ++unsaid_;
        return;
    }
    if (!said_.insert(problem.text()).second) return;
    problems_.push_back(std::move(problem));
}

void Reading::take(std::vector<TextProblem> problems) {
    for (TextProblem& one : problems) take({mark(one.place), std::move(one.key), std::move(one.pointer), std::move(one.what), std::move(one.allowed)});
}

void Reading::problem(const Place& place, std::string what, std::string allowed) {
    if (std::ranges::find(unread_, place) != unread_.end()) return;
    take({mark(place), path_text(), pointer_text(), std::move(what), std::move(allowed)});
}

void Reading::refuse(const Node& node, std::string what) {
    problem(node.place, std::move(what), key != nullptr ? std::string(key->allowed) : std::string{});
}

void Reading::warn(const Place& place, std::string_view what) {
    warnings.push_back(fmt::format("{}: {}: {}", mark(place).text(), path_text(), what));
}

Problems Reading::finish() && {
    const auto file_of = [this](const Problem& problem) { return std::ranges::find(files, problem.mark.file) - files.begin(); };
    std::ranges::stable_sort(problems_, {}, [&](const Problem& problem) {
        return std::tuple(file_of(problem), problem.mark.line, problem.mark.column);
    });
    if (unsaid_ > 0 && !problems_.empty()) problems_.back().what += fmt::format(" (and {} more problems)", unsaid_);
    return std::move(problems_);
}

// ---- Variables ----

void Reading::substitute(Node& node) {
    if (node.is_scalar()) {
        if (node.text.contains("${")) node.text = replaced(node);
        return;
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Step step(*this, i);
        substitute(node.items[i]);
    }
    for (Entry& entry : node.entries) {
        const Step step(*this, entry.key);
        substitute(entry.value);
    }
}

std::string Reading::unreadable(const Node& node, std::string what, std::string allowed) {
    problem(node, std::move(what), std::move(allowed));
    // Beyond this nothing is reported anyway. Objects from the API have no places to tell values by.
    if (unread_.size() < max_problems && node.place.line != 0) unread_.push_back(node.place);
    return node.text;
}

std::string Reading::replaced(Node& node) {
    if (api && variables == nullptr) return unreadable(node, "variables are for the configuration file alone");
    const auto variable = [this](const std::string& name) -> std::optional<std::string> {
        if (variables == nullptr) return request != nullptr && request->environment ? request->environment(name) : std::nullopt;
        const auto found = variables->find(name);
        return found == variables->end() ? std::nullopt : std::optional(found->second);
    };
    std::string out;
    std::string_view rest = node.text;
    while (!rest.empty()) {
        const auto at = rest.find("${");
        if (at == std::string_view::npos) {
            out += rest;
            break;
        }
        // "$${" is how "${" itself is written.
        if (at > 0 && rest[at - 1] == '$') {
            out += rest.substr(0, at - 1);
            out += "${";
            rest.remove_prefix(at + 2);
            continue;
        }
        out += rest.substr(0, at);
        const auto end = rest.find('}', at);
        if (end == std::string_view::npos)
            return unreadable(node, "\"${\" without \"}\"", "${NAME}, ${NAME:-default}, $${ for the text ${");
        const std::string_view inner = rest.substr(at + 2, end - at - 2);
        const auto fallback = inner.find(":-");
        const std::string name(inner.substr(0, fallback));
        if (!is_variable_name(name))
            return unreadable(node, fmt::format("\"{}\" is no variable name", escaped(name, 60)),
                              "${NAME}, ${NAME:-default}, $${ for the text ${");
        auto value = variable(name);
        if (fallback != std::string_view::npos && (!value || value->empty())) value = std::string(inner.substr(fallback + 2));
        if (!value)
            return unreadable(node, fmt::format("variable {} is not set", name), fmt::format("set it, or ${{{}:-default}}", name));
        looked_up += fmt::format("{}={};", name, *value);
        node.origin = node.origin.empty() ? "env " + name : node.origin + ", " + name;
        node.secret |= looks_secret(name);
        node.literal = false;
        out += *value;
        if (out.size() > max_expanded_bytes)
            return unreadable(node, fmt::format("longer than {} with its variables put in", size_text(max_expanded_bytes)));
        rest.remove_prefix(end + 1);
    }
    return out;
}

// ---- Scalars ----

bool Reading::scalar(const Node& node, std::string_view wanted) {
    if (node.is_scalar()) return true;
    refuse(node, fmt::format("{} where {} is wanted", shape_name(node), wanted));
    return false;
}

bool Reading::list(const Node& node) {
    if (node.is_list()) return true;
    refuse(node, fmt::format("{} where a list is wanted", shape_name(node)));
    return false;
}

bool Reading::map(const Node& node) {
    if (node.is_map()) return true;
    refuse(node, fmt::format("{} where a map is wanted", shape_name(node)));
    return false;
}

bool Reading::boolean(const Node& node, bool& into) {
    if (!scalar(node, "true or false")) return false;
    // What came through a variable has no quotes of its own.
    if (!node.quoted || !node.origin.empty()) {
        if (node.text == "true" || node.text == "True" || node.text == "TRUE") return into = true, true;
        if (node.text == "false" || node.text == "False" || node.text == "FALSE") return into = false, true;
    }
    problem(node,
            is_old_boolean(node.text) ? fmt::format("{} is a text, not a truth value, in YAML 1.2", quoted(node))
                                      : fmt::format("{} is neither true nor false", quoted(node)),
            "true, false");
    return false;
}

bool Reading::integer(const Node& node, std::uint64_t& into, std::uint64_t least, std::uint64_t most) {
    if (!scalar(node, "a whole number")) return false;
    if (node.quoted && node.origin.empty()) return refuse(node, fmt::format("{} is a text, not a number", quoted(node))), false;
    if (node.text.size() > 1 && node.text.front() == '0')
        return refuse(node, fmt::format("{} is ambiguous: octal to some readers, decimal to others", quoted(node))), false;
    const auto value = parse_unsigned(node.text);
    if (!value) return refuse(node, fmt::format("{} is not a whole number", quoted(node))), false;
    if (*value < least || *value > most) return refuse(node, fmt::format("{} is out of range", *value)), false;
    into = *value;
    return true;
}

void Reading::fraction(const Node& node, double& into, double least, double most) {
    if (!scalar(node, "a number")) return;
    double value = 0;
    const auto* end = node.text.data() + node.text.size();
    const auto [stop, error] = std::from_chars(node.text.data(), end, value, std::chars_format::fixed);
    if (error != std::errc{} || stop != end || (node.quoted && node.origin.empty()))
        return refuse(node, fmt::format("{} is not a number", quoted(node)));
    if (!(value >= least && value <= most)) return refuse(node, fmt::format("{} is out of range", node.text));
    into = value;
}

void Reading::percent(const Node& node, std::uint32_t& into, std::uint32_t least, std::uint32_t most) {
    if (!scalar(node, "a percentage")) return;
    const std::string_view text = node.text;
    const auto value = text.ends_with('%') ? parse_unsigned(text.substr(0, text.size() - 1)) : std::nullopt;
    if (!value) return refuse(node, fmt::format("{} is not a percentage", quoted(node)));
    if (*value < least || *value > most) return refuse(node, fmt::format("{} is out of range", text));
    into = static_cast<std::uint32_t>(*value);
}

bool Reading::duration(const Node& node, Duration& into, Duration least, Duration most) {
    if (!scalar(node, "a duration")) return false;
    // A bare 0 needs no unit.
    const auto value = node.text == "0" ? std::optional<Duration>(Duration{0}) : parse_duration(node.text);
    if (!value) {
        const bool bare = parse_unsigned(node.text).has_value();
        refuse(node, bare ? fmt::format("{} has no unit", quoted(node)) : fmt::format("{} is not a duration", quoted(node)));
        return false;
    }
    if (*value < least || *value > most) {
        refuse(node, fmt::format("{} is out of range", node.text));
        return false;
    }
    into = *value;
    return true;
}

void Reading::size(const Node& node, std::uint32_t& into, std::uint64_t least, std::uint64_t most) {
    std::uint64_t value = into;
    size(node, value, least, most);
    into = static_cast<std::uint32_t>(value);
}

void Reading::size(const Node& node, std::uint64_t& into, std::uint64_t least, std::uint64_t most) {
    if (!scalar(node, "a size")) return;
    const auto value = parse_size(node.text);
    if (!value) return refuse(node, fmt::format("{} is not a size", quoted(node)));
    if (*value < least || *value > most) return refuse(node, fmt::format("{} is out of range", node.text));
    into = *value;
}

bool Reading::text(const Node& node, std::string& into, std::size_t most) {
    if (!scalar(node, "a text")) return false;
    if (node.text.size() > most) return refuse(node, fmt::format("longer than {} bytes", most)), false;
    if (node.text.contains('\0')) return refuse(node, "holds a NUL"), false;
    into = node.text;
    return true;
}

bool Reading::secret(const Node& node, std::string& into, std::size_t most) {
    if (!scalar(node, "a text")) return false;
    const std::string_view said = node.text;
    std::string value;
    bool referenced = true;
    if (said.starts_with("env:")) {
        const std::string name(said.substr(4));
        if (api) return problem(node, "secrets by reference are for the configuration file alone"), true;
        const auto found = request != nullptr && request->environment ? request->environment(name) : std::nullopt;
        if (!found) return problem(node, fmt::format("variable {} is not set", escaped(name, 60)), "env:NAME of a variable that is set"), true;
        value = *found;
    } else if (said.starts_with("file:")) {
        const std::string path(said.substr(5));
        if (api) return problem(node, "secrets by reference are for the configuration file alone"), true;
        if (request == nullptr || !request->secret_file) return problem(node, "no files are read here", "env:NAME"), true;
        auto read = request->secret_file(path);
        if (!read) return problem(node, read.error().text, "file:/path of a readable file"), true;
        value = std::move(*read);
    } else {
        value = said;
        referenced = false;
    }
    if (value.size() > most) return refuse(node, fmt::format("longer than {} bytes", most)), referenced;
    if (referenced) looked_up += fmt::format("{}={};", said, value);
    into = std::move(value);
    return referenced;
}

bool Reading::through(const ReadFile& read, const Node& node, const std::string& path, std::string& into) {
    if (!read) return problem(node, "no files are read here"), false;
    auto text = read(path);
    if (!text) return problem(node, text.error().text), false;
    looked_up += fmt::format("{}={};", path, *text);
    into = std::move(*text);
    return true;
}

bool Reading::file(const Node& node, const std::string& path, std::string& into) {
    return through(request != nullptr ? request->file : ReadFile{}, node, path, into);
}

bool Reading::key_file(const Node& node, const std::string& path, std::string& into) {
    return through(request != nullptr ? request->key_file : ReadFile{}, node, path, into);
}

Result<> Reading::certificate_works(std::string_view chain_pem, std::string_view key_pem, std::string_view chain, std::string_view of_key) const {
    if (request == nullptr || !request->certificates.pair) return {};
    return request->certificates.pair(chain_pem, key_pem, fmt::format("{} with {}", chain, of_key));
}

Result<> Reading::authorities_work(std::string_view ca_pem, std::string_view what) const {
    if (request == nullptr || !request->certificates.authorities) return {};
    return request->certificates.authorities(ca_pem, std::string(what));
}

void Reading::texts(const Node& node, std::vector<std::string>& into, std::size_t most) {
    if (!list(node)) return;
    if (node.items.size() > most) return problem(node, fmt::format("more than {} entries", most));
    std::vector<std::string> out;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Step step(*this, i);
        std::string value;
        if (text(node.items[i], value)) out.push_back(std::move(value));
    }
    into = std::move(out);
}

void Reading::blocks(const Node& node, std::vector<Cidr>& into) {
    constexpr std::size_t most = 10'000;
    if (!list(node)) return;
    if (node.items.size() > most) return problem(node, fmt::format("more than {} entries", most));
    std::vector<Cidr> out;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Step step(*this, i);
        if (!scalar(node.items[i], "an address block")) continue;
        if (const auto block = Cidr::parse(node.items[i].text)) out.push_back(*block);
        else refuse(node.items[i], fmt::format("{} is no address block", quoted(node.items[i])));
    }
    into = std::move(out);
}

void Reading::listener(const Node& node, std::optional<SocketAddress>& into) {
    if (!scalar(node, "an address")) return;
    if (node.text == "none") {
        into.reset();
        return;
    }
    const std::string_view said = node.text;
    // ":80" is every address of the machine, IPv6 included.
    const auto address = SocketAddress::parse(said.starts_with(':') ? fmt::format("[::]{}", said) : std::string(said));
    if (!address) return refuse(node, fmt::format("{} is not an address with a port from 0 to 65535", quoted(node)));
    into = *address;
}

bool Reading::choice(const Node& node, std::span<const std::string_view> words, std::size_t& into) {
    const auto allowed = [&] { return fmt::format("{}", fmt::join(words, ", ")); };
    if (!node.is_scalar()) {
        problem(node, fmt::format("{} where one word is wanted", shape_name(node)), allowed());
        return false;
    }
    const auto found = std::ranges::find(words, node.text);
    if (found == words.end()) {
        problem(node, fmt::format("{} is none of the words known here", quoted(node)), allowed());
        return false;
    }
    into = static_cast<std::size_t>(found - words.begin());
    return true;
}

// ---- Showing ----

void Reading::record(std::string_view name, const Node& node) {
    if (!effective) return;
    std::string origin = mark(node.place).text();
    if (!node.origin.empty()) origin = fmt::format("{} ({})", node.origin, origin);
    values.push_back({shown + std::string(name), flow_text(node, name), std::move(origin)});
}

void Reading::record_default(std::string_view name, std::string_view value) {
    if (effective) values.push_back({shown + std::string(name), std::string(value), "default"});
}

std::string flow_text(const Node& node, std::string_view key) {
    switch (node.shape) {
        case Node::Shape::null: return "null";
        case Node::Shape::scalar:
            if (node.secret || key == "token" || looks_secret(key) || node.text.starts_with("env:") || node.text.starts_with("file:"))
                return node.text.empty() ? "\"\"" : "***";
            if (node.text.empty()) return "\"\"";
            return escaped(redacted_url(node.text), 1000);
        case Node::Shape::list: {
            std::string out = "[";
            bool hidden = false;
            for (const Node& item : node.items) {
                if (out.size() > 1) out += ", ";
                out += hidden ? "***" : flow_text(item, {});
                // By the same rule as everywhere: what follows `--` in a command is its secret part.
                hidden |= key == "exec" && item.text == "--";
            }
            return out + "]";
        }
        case Node::Shape::map: {
            std::string out = "{";
            for (const Entry& entry : node.entries)
                out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", escaped(entry.key, 100),
                                   key == "secrets" && entry.value.is_scalar() ? "***" : flow_text(entry.value, entry.key));
            return out + "}";
        }
    }
    return {};
}

std::optional<std::string_view> near(std::string_view word, std::span<const std::string_view> words) {
    // Damerau's distance: a letter missing, added, changed, or two swapped.
    constexpr std::size_t longest = 40;
    if (word.size() > longest) return std::nullopt;
    std::optional<std::string_view> best;
    std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const std::string_view other : words) {
        if (other.size() > longest) continue;
        std::array<std::array<std::size_t, longest + 1>, longest + 1> cost{};
        for (std::size_t i = 0; i <= word.size(); ++i) cost[i][0] = i;
        for (std::size_t j = 0; j <= other.size(); ++j) cost[0][j] = j;
        for (std::size_t i = 1; i <= word.size(); ++i) {
            for (std::size_t j = 1; j <= other.size(); ++j) {
                const std::size_t change = lower(word[i - 1]) == other[j - 1] ? 0 : 1;
                cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
                if (i > 1 && j > 1 && word[i - 1] == other[j - 2] && word[i - 2] == other[j - 1])
                    cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
        if (cost[word.size()][other.size()] < least) least = cost[word.size()][other.size()], best = other;
    }
    return best;
}

bool is_token(std::string_view text) {
    return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, [](char c) {
        const char l = lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || std::string_view("!#$%&'*+-.^_`|~").contains(c);
    });
}

}  // namespace hale::config
