#include "config/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "base/text.h"

namespace hale::config {

namespace {

// Maps beyond this many entries look their duplicates up in a set.
constexpr std::size_t few_entries = 16;

// Builds the tree from either library's events. Errors stop the building, not the parser: it runs to its end
// and finds nobody listening.
class Builder {
public:
    Builder(std::string_view source, std::uint32_t file) : source_(source), file_(file) {}

    void scalar(Place place, std::string text, bool quoted, bool literal) {
        if (stopped_) return;
        if (wants_key()) return key(place, std::move(text));
        Node node;
        node.shape = Node::Shape::scalar;
        node.place = place;
        node.quoted = quoted;
        node.literal = literal;
        node.text = std::move(text);
        take(std::move(node));
    }

    void null(Place place) {
        if (stopped_) return;
        if (wants_key()) return stop(place, "a key is missing");
        Node node;
        node.place = place;
        take(std::move(node));
    }

    void open(Place place, Node::Shape shape, std::uint64_t anchor = 0) {
        if (stopped_) return;
        if (wants_key()) return stop(place, "a key is a list or a map", "a plain word");
        if (stack_.size() >= max_depth) return stop(place, fmt::format("nested deeper than {}", max_depth));
        Frame frame;
        frame.node.shape = shape;
        frame.node.place = place;
        frame.anchor = anchor;
        stack_.push_back(std::move(frame));
    }

    void close() {
        if (stopped_) return;
        Frame frame = std::move(stack_.back());
        stack_.pop_back();
        pending_anchor_ = frame.anchor;
        take(std::move(frame.node), false);
    }

    void anchor_next(std::uint64_t anchor) { pending_anchor_ = anchor; }

    void alias(Place place, std::uint64_t anchor) {
        if (stopped_) return;
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) return stop(place, "an alias refers to the value it stands in");
        if (wants_key()) {
            if (!found->second.node.is_scalar()) return stop(place, "a key is a list or a map", "a plain word");
            return key(place, found->second.node.text);
        }
        if (stack_.size() + depth(found->second.node) > max_depth)
            return stop(place, fmt::format("nested deeper than {}", max_depth));
        nodes_ += found->second.size;
        if (nodes_ > max_nodes) return stop(place, fmt::format("aliases make more than {} values", max_nodes));
        Node copy = found->second.node;
        take(std::move(copy), false);
    }

    void stop(Place place, std::string what, std::string allowed = {}) {
        if (stopped_) return;
        stopped_ = true;
        problems_.push_back({place, path(), pointer(), std::move(what), std::move(allowed)});
    }
    // The text is no YAML or JSON at all: what would stand where cannot be told, so no key is named.
    void broken(Place place, std::string what, std::string allowed = {}) {
        if (stopped_) return;
        stopped_ = true;
        problems_.push_back({place, {}, {}, std::move(what), std::move(allowed)});
    }
    bool stopped() const { return stopped_; }
    Place place_of(const YAML::Mark& mark) const {
        return {file_, mark.line + 1, mark.column + 1};
    }
    std::uint32_t file() const { return file_; }
    std::string_view source() const { return source_; }
    bool has_root() const { return has_root_; }

    Parsed finish() {
        Parsed out;
        if (!stopped_) out.root = std::move(root_);
        out.problems = std::move(problems_);
        return out;
    }

private:
    struct Frame {
        Node node;
        std::uint64_t anchor = 0;
        std::optional<std::string> key;  // Read, and waiting for its value.
        Place key_place;
        std::unordered_set<std::string> known;  // Only beyond few_entries.
    };
    struct Anchored {
        Node node;
        std::size_t size = 0;
    };

    bool wants_key() const { return !stack_.empty() && stack_.back().node.is_map() && !stack_.back().key; }

    void key(Place place, std::string text) {
        pending_anchor_ = 0;
        stack_.back().key = std::move(text);
        stack_.back().key_place = place;
    }

    static std::size_t size(const Node& node) {
        std::size_t total = 1;
        for (const Node& item : node.items) total += size(item);
        for (const Entry& entry : node.entries) total += size(entry.value);
        return total;
    }
    static std::size_t depth(const Node& node) {
        std::size_t deepest = 0;
        for (const Node& item : node.items) deepest = std::max(deepest, depth(item));
        for (const Entry& entry : node.entries) deepest = std::max(deepest, depth(entry.value));
        return deepest + (node.is_list() || node.is_map() ? 1 : 0);
    }

    void take(Node node, bool count = true) {
        if (count && ++nodes_ > max_nodes) return stop(node.place, fmt::format("more than {} values", max_nodes));
        if (const auto anchor = std::exchange(pending_anchor_, 0); anchor != 0)
            anchors_[anchor] = Anchored{node, size(node)};
        if (stack_.empty()) {
            root_ = std::move(node);
            has_root_ = true;
            return;
        }
        Frame& top = stack_.back();
        if (top.node.is_list()) {
            top.node.items.push_back(std::move(node));
            return;
        }
        std::string name = std::move(*top.key);
        top.key.reset();
        if (known(top, name)) {
            const auto& first = *std::ranges::find(top.node.entries, name, &Entry::key);
            if (problems_.size() <= max_problems) {
                const std::string where =
                    first.place.line != 0 ? fmt::format(", first in line {}", first.place.line) : std::string{};
                const std::string shown = escaped(name);
                problems_.push_back({top.key_place, path().empty() ? shown : path() + "." + shown,
                                     pointer() + pointer_step(name), "defined twice" + where, {}});
            }
            return;
        }
        top.node.entries.push_back({std::move(name), top.key_place, std::move(node)});
    }

    static bool known(Frame& frame, const std::string& name) {
        auto& entries = frame.node.entries;
        if (entries.size() < few_entries) return std::ranges::find(entries, name, &Entry::key) != entries.end();
        if (frame.known.empty())
            for (const Entry& entry : entries) frame.known.insert(entry.key);
        return !frame.known.insert(name).second;
    }

    std::string path() const {
        std::string out;
        for (const Frame& frame : stack_) {
            if (frame.node.is_list()) out += fmt::format("[{}]", frame.node.items.size());
            else if (frame.key) out += fmt::format("{}{}", out.empty() ? "" : ".", escaped(*frame.key));
        }
        return out;
    }
    std::string pointer() const {
        std::string out;
        for (const Frame& frame : stack_) {
            if (frame.node.is_list()) out += fmt::format("/{}", frame.node.items.size());
            else if (frame.key) out += pointer_step(*frame.key);
        }
        return out;
    }

    std::string_view source_;
    std::uint32_t file_;
    std::vector<Frame> stack_;
    std::unordered_map<std::uint64_t, Anchored> anchors_;
    std::uint64_t pending_anchor_ = 0;
    std::size_t nodes_ = 0;
    Node root_;
    bool has_root_ = false;
    bool stopped_ = false;
    std::vector<TextProblem> problems_;
};

// YAML 1.2's core schema: what stands without quotes and means nothing.
bool is_null_word(std::string_view text) {
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

class YamlEvents final : public YAML::EventHandler {
public:
    explicit YamlEvents(Builder& builder) : builder_(builder) {}

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        builder_.anchor_next(anchor);
        builder_.null(builder_.place_of(mark));
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        builder_.alias(builder_.place_of(mark), anchor);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        if (!known_tag(mark, tag)) return;
        const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
        builder_.anchor_next(anchor);
        if (!quoted && is_null_word(value)) return builder_.null(builder_.place_of(mark));
        const auto at = static_cast<std::size_t>(std::max(mark.pos, 0)) + (quoted ? 1 : 0);
        const auto source = builder_.source();
        const bool literal = at < source.size() && source.substr(at, value.size()) == value && !value.contains('\n');
        builder_.scalar(builder_.place_of(mark), value, quoted, literal);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        if (known_tag(mark, tag)) builder_.open(builder_.place_of(mark), Node::Shape::list, anchor);
    }
    void OnSequenceEnd() override { builder_.close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        if (known_tag(mark, tag)) builder_.open(builder_.place_of(mark), Node::Shape::map, anchor);
    }
    void OnMapEnd() override { builder_.close(); }

private:
    bool known_tag(const YAML::Mark& mark, const std::string& tag) {
        if (tag.empty() || tag == "?" || tag == "!" || tag == "tag:yaml.org,2002:str" ||
            tag == "tag:yaml.org,2002:map" || tag == "tag:yaml.org,2002:seq")
            return true;
        builder_.stop(builder_.place_of(mark), fmt::format("tag {} means nothing here", escaped(tag, 40)));
        return false;
    }

    Builder& builder_;
};

// Reads a text without copying it.
class ViewBuffer final : public std::streambuf {
public:
    explicit ViewBuffer(std::string_view text) {
        char* begin = const_cast<char*>(text.data());  // Only ever read: no put area is set.
        setg(begin, begin, begin + text.size());
    }
};

class JsonEvents final : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit JsonEvents(Builder& builder) : builder_(builder) {}

    bool null() override { return builder_.null(here()), going(); }
    bool boolean(bool value) override { return builder_.scalar(here(), value ? "true" : "false", false, false), going(); }
    bool number_integer(number_integer_t value) override {
        return builder_.scalar(here(), fmt::format("{}", value), false, false), going();
    }
    bool number_unsigned(number_unsigned_t value) override {
        return builder_.scalar(here(), fmt::format("{}", value), false, false), going();
    }
    bool number_float(number_float_t, const string_t& text) override {
        return builder_.scalar(here(), text, false, false), going();
    }
    bool string(string_t& value) override { return builder_.scalar(here(), std::move(value), true, false), going(); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return builder_.open(here(), Node::Shape::map), going(); }
    bool key(string_t& value) override { return builder_.scalar(here(), std::move(value), true, false), going(); }
    bool end_object() override { return builder_.close(), going(); }
    bool start_array(std::size_t) override { return builder_.open(here(), Node::Shape::list), going(); }
    bool end_array() override { return builder_.close(), going(); }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
        builder_.broken(here(), fmt::format("not JSON: unexpected text at byte {}", position), "one JSON object");
        return false;
    }

private:
    Place here() const { return {builder_.file(), 0, 0}; }
    bool going() const { return !builder_.stopped(); }

    Builder& builder_;
};

// Tabs and the like in front of the first wrong byte make yaml-cpp's own sentences misleading; said shortly.
std::string yaml_sentence(std::string_view message) {
    if (message.empty()) return "not YAML";
    return fmt::format("not YAML: {}", lower(message.substr(0, 1)) + std::string(message.substr(1)));
}

}  // namespace

const Node* Node::find(std::string_view key) const {
    const auto found = std::ranges::find(entries, key, &Entry::key);
    return found == entries.end() ? nullptr : &found->value;
}

bool Node::operator==(const Node& other) const {
    return shape == other.shape && text == other.text && items == other.items &&
           std::ranges::equal(entries, other.entries, [](const Entry& a, const Entry& b) {
               return a.key == b.key && a.value == b.value;
           });
}

std::string pointer_step(std::string_view key) {
    std::string out = "/";
    for (const char c : key) {
        if (c == '~') out += "~0";
        else if (c == '/') out += "~1";
        else out += c;
    }
    return out;
}

Parsed parse_yaml(std::string_view text, std::uint32_t file) {
    Builder builder(text, file);
    // NUL ends yaml-cpp's input silently: what follows would be skipped without a word.
    if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
        const auto before = text.substr(0, nul);
        const auto line = static_cast<int>(std::ranges::count(before, '\n')) + 1;
        const auto start = before.rfind('\n');
        const auto column = static_cast<int>(nul - (start == std::string_view::npos ? 0 : start + 1)) + 1;
        builder.stop({file, line, column}, "a NUL byte");
        return builder.finish();
    }
    try {
        ViewBuffer buffer(text);
        std::istream stream(&buffer);
        YAML::Parser parser(stream);
        YamlEvents events(builder);
        parser.HandleNextDocument(events);
        if (!builder.stopped()) {
            // A second document would be ignored silently.
            Builder rest(text, file);
            YamlEvents more(rest);
            if (parser.HandleNextDocument(more)) builder.stop({file, 1, 1}, "more than one document in one file");
        }
    } catch (const YAML::Exception& error) {
        builder.broken(error.mark.is_null() ? Place{file, 1, 1} : builder.place_of(error.mark), yaml_sentence(error.msg));
    } catch (const std::exception& error) {
        builder.broken({file, 1, 1}, yaml_sentence(error.what()));
    }
    return builder.finish();
}

Parsed parse_json(std::string_view text, std::uint32_t file) {
    Builder builder(text, file);
    try {
        JsonEvents events(builder);
        if (!nlohmann::json::sax_parse(text, &events)) builder.broken({file, 0, 0}, "not JSON", "one JSON object");
    } catch (const std::exception& error) {
        builder.broken({file, 0, 0}, fmt::format("not JSON: {}", error.what()));
    }
    return builder.finish();
}

std::string json_of(const Node& node) {
    using Json = nlohmann::json;
    const auto text = [](const std::string& value) { return Json(value).dump(-1, ' ', false, Json::error_handler_t::replace); };
    switch (node.shape) {
        case Node::Shape::null: return "null";
        case Node::Shape::scalar: {
            if (node.quoted) return text(node.text);
            const Json plain = Json::parse(node.text, nullptr, false);
            return plain.is_boolean() || plain.is_number() ? node.text : text(node.text);
        }
        case Node::Shape::list: {
            std::string out = "[";
            for (const Node& item : node.items) out += (out.size() > 1 ? "," : "") + json_of(item);
            return out + "]";
        }
        case Node::Shape::map: break;
    }
    std::string out = "{";
    for (const Entry& entry : node.entries) out += fmt::format("{}{}:{}", out.size() > 1 ? "," : "", text(entry.key), json_of(entry.value));
    return out + "}";
}

}  // namespace hale::config
