#include "app/taking_over.h"

#include <fmt/format.h>

#include <utility>

namespace hale::app {

namespace {
std::unexpected<Error> unexpected_word(const TakeoverWord& word, std::string_view wanted) {
    return fail(Code::invalid, fmt::format("the old process says \"{}\" where \"{}\" was due", word.word, wanted));
}
}  // namespace

Result<> TakingOver::say(TakeoverWord word) { return socket_.send(takeover_text(word)); }

Result<TakeoverWord> TakingOver::hear(Duration at_most, std::vector<os::Descriptor>* descriptors) {
    HALE_ASSIGN(auto got, socket_.receive(at_most));
    HALE_ASSIGN(auto word, parse_takeover(got.text));
    if (descriptors != nullptr) *descriptors = std::move(got.descriptors);
    return word;
}

Result<TakingOver> TakingOver::begin(const std::string& path, std::string_view version) {
    HALE_ASSIGN(auto socket, os::HandingSocket::connect(path));
    TakingOver made(std::move(socket));
    HALE_TRY(made.say({"hello", {{std::string(version)}}}));
    for (;;) {
        std::vector<os::Descriptor> descriptors;
        HALE_ASSIGN(const auto word, made.hear(patience, &descriptors));
        if (word.word == "offer") {
            made.state_ = word.first();
            if (!word.lines.empty() && word.lines.front().size() > 1) made.actor_ = word.lines.front()[1];
            return made;
        }
        if (word.word != "sockets") return unexpected_word(word, "offer");
        if (word.lines.size() != descriptors.size() || made.sockets_.size() + descriptors.size() > most_handed_sockets)
            return fail(Code::invalid, fmt::format("the old process names {} sockets and hands over {}", word.lines.size(), descriptors.size()));
        for (std::size_t i = 0; i < descriptors.size(); ++i) {
            if (word.lines[i].size() != 2) return fail(Code::invalid, "the old process says of a socket something else than role and address");
            HALE_ASSIGN(const auto local, os::listening_at(descriptors[i].get()));
            made.sockets_.push_back({word.lines[i][0], word.lines[i][1], {std::move(descriptors[i]), local}});
        }
    }
}

Result<> TakingOver::ready() {
    HALE_TRY(say({"ready", {}}));
    HALE_ASSIGN(const auto word, hear(patience));
    if (word.word != "take") return unexpected_word(word, "take");
    return {};
}

void TakingOver::serving() {
    // Whatever becomes of the old process now, this one serves.
    if (say({"serving", {}})) static_cast<void>(hear(go_patience));
    socket_.close();
}

void TakingOver::failed(const std::string& why) {
    static constexpr std::size_t most_said = 8'000;
    static_cast<void>(say({"failed", {{why.substr(0, most_said)}}}));
}

}  // namespace hale::app
