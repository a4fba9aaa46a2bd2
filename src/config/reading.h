// One pass over one tree: where we are, what was wrong, and the scalars. Private to this folder.
//
// Readers never stop: a bad value is reported and the field keeps what it had, so that one load tells
// everything that is wrong.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "config/load.h"
#include "config/node.h"

namespace hale::config {

struct Key;

bool is_variable_name(std::string_view name);

struct PathStep {
    std::string_view name;  // Of a map's key; empty: a list's index. Lives in the tree or in the program.
    std::size_t index = 0;
};

class Reading {
public:
    std::vector<SharedText> files;
    const LoadRequest* request = nullptr;
    bool api = false;                // From the API: no environment, no files, no exec.
    const Variables* variables = nullptr;  // What `${NAME}` is, where the API says it beside the text.
    bool effective = false;          // Collect `values`.
    std::string shown;               // Prefix of the effective keys being read.
    std::vector<EffectiveValue> values;
    std::vector<std::string> warnings;
    const Key* key = nullptr;        // Being read: its `allowed` goes into problems.
    std::string looked_up;           // What came from outside the texts: part of the fingerprint.

    // While it lives, the path is one step longer.
    class Step {
    public:
        Step(Reading& reading, std::string_view name) : reading_(reading) { reading_.path_.push_back({name, 0}); }
        Step(Reading& reading, std::size_t index) : reading_(reading) { reading_.path_.push_back({{}, index}); }
        ~Step() { reading_.path_.pop_back(); }
        Step(const Step&) = delete;
        Step& operator=(const Step&) = delete;

    private:
        Reading& reading_;
    };
    // While it lives, we are somewhere else in the text: a default that is read for a service.
    class Elsewhere {
    public:
        Elsewhere(Reading& reading, std::initializer_list<std::string_view> path);
        ~Elsewhere() { reading_.path_ = std::move(kept_); }
        Elsewhere(const Elsewhere&) = delete;
        Elsewhere& operator=(const Elsewhere&) = delete;

    private:
        Reading& reading_;
        std::vector<PathStep> kept_;
    };

    void problem(const Place& place, std::string what, std::string allowed = {});
    void problem(const Node& node, std::string what, std::string allowed = {}) {
        problem(node.place, std::move(what), std::move(allowed));
    }
    // With the allowed values of the key being read.
    void refuse(const Node& node, std::string what);
    void take(Problem problem);
    void take(std::vector<TextProblem> problems);
    void warn(const Place& place, std::string_view what);
    Problems finish() &&;  // In the order of the places; empty: all is well.
    bool ok() const { return problems_.empty(); }
    const Problems& problems() const { return problems_; }  // In the order they were met.
    Mark mark(const Place& place) const;
    std::string path_text() const;

    // Follows ${…} in every scalar below.
    void substitute(Node& node);

    bool boolean(const Node& node, bool& into);
    bool integer(const Node& node, std::uint64_t& into, std::uint64_t least, std::uint64_t most);
    template <class T>
    void number(const Node& node, T& into, std::uint64_t least, std::uint64_t most) {
        std::uint64_t value = 0;
        if (integer(node, value, least, most)) into = static_cast<T>(value);
    }
    void fraction(const Node& node, double& into, double least, double most);
    void percent(const Node& node, std::uint32_t& into, std::uint32_t least, std::uint32_t most);
    bool duration(const Node& node, Duration& into, Duration least, Duration most);
    void size(const Node& node, std::uint32_t& into, std::uint64_t least, std::uint64_t most);
    void size(const Node& node, std::uint64_t& into, std::uint64_t least, std::uint64_t most);
    bool text(const Node& node, std::string& into, std::size_t most = 4096);
    // A secret may come through `file:` or `env:`. Returns whether it did.
    bool secret(const Node& node, std::string& into, std::size_t most);
    // The text of a file that the node names.
    bool file(const Node& node, const std::string& path, std::string& into);
    bool key_file(const Node& node, const std::string& path, std::string& into);
    Result<> certificate_works(std::string_view chain_pem, std::string_view key_pem, std::string_view chain, std::string_view of_key) const;
    Result<> authorities_work(std::string_view ca_pem, std::string_view what) const;
    void texts(const Node& node, std::vector<std::string>& into, std::size_t most);
    void blocks(const Node& node, std::vector<Cidr>& into);
    void listener(const Node& node, std::optional<SocketAddress>& into);
    bool choice(const Node& node, std::span<const std::string_view> words, std::size_t& into);
    template <class E>
    void one_of(const Node& node, std::initializer_list<std::pair<std::string_view, E>> words, E& into) {
        std::vector<std::string_view> names;
        for (const auto& [name, value] : words) names.push_back(name);
        std::size_t at = 0;
        if (choice(node, names, at)) into = words.begin()[at].second;
    }
    bool list(const Node& node);
    bool map(const Node& node);

    void record(std::string_view name, const Node& node);
    void record_default(std::string_view name, std::string_view value);

private:
    friend class Step;
    friend class Elsewhere;

    bool scalar(const Node& node, std::string_view wanted);
    using ReadFile = std::function<Result<std::string>(const std::string& path)>;
    bool through(const ReadFile& read, const Node& node, const std::string& path, std::string& into);
    std::string replaced(Node& node);
    std::string unreadable(const Node& node, std::string what, std::string allowed = {});
    std::string pointer_text() const;

    std::vector<PathStep> path_;
    Problems problems_;
    // Values whose variables could not be put in: nothing more is said of them.
    std::vector<Place> unread_;
    std::unordered_set<std::string> said_;
    std::size_t unsaid_ = 0;
};

// As it would be written on one line, secrets hidden. `key` is the name it stands under.
std::string flow_text(const Node& node, std::string_view key);

// "allowd" → "allowed", when one of the words is near enough.
std::optional<std::string_view> near(std::string_view word, std::span<const std::string_view> words);

bool is_token(std::string_view text);  // RFC 9110 section 5.6.2, at most 256 bytes.
bool is_clean(std::string_view header_value);
// Why this header can't be declared: those that make the message itself, and the one that has a key of its own. Empty: it can.
std::string_view reserved_header(std::string_view name);

}  // namespace hale::config
