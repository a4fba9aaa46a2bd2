#include "docker/passage.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "docker/answers.h"
#include "docker/conversation.h"

namespace hale::docker {

Result<ApiVersion> choose_version(const EngineVersion& theirs) {
    if (theirs.api < oldest_api)
        return fail(Code::unavailable, fmt::format("the engine ({}) speaks API {} at most, but {} is needed: upgrade it", theirs.engine, theirs.api.text(), oldest_api.text()));
    if (theirs.oldest_api > newest_api)
        return fail(Code::unavailable, fmt::format("the engine ({}) speaks API {} and newer only, but this program {} at most", theirs.engine, theirs.oldest_api.text(), newest_api.text()));
    return std::min(newest_api, theirs.api);
}

Passage::Passage(Ways the_ways, Place the_place) : ways(std::move(the_ways)), place(std::move(the_place)) {}
Passage::~Passage() = default;

void Passage::close() {
    closed_ = true;
    asking_.reset();
    for (Conversation* one : std::exchange(under_way_, {})) one->abandon();
}

void Passage::leave(Conversation& conversation) {
    under_way_.erase(&conversation);
    if (!asking_ || asking_.get() == &conversation) return;
    // Nobody waits for it any more: the next one asks anew, and does not inherit what this one hangs on.
    if (std::ranges::none_of(under_way_, [](const Conversation* one) { return one->waits_to_agree(); })) asking_.reset();
}

void Passage::agree() {
    if (asking_ || closed_) return;
    asking_ = std::make_unique<Conversation>(shared_from_this(), Request{.path = "/version", .what = "agree on a version", .versioned = false}, ways.loop.now() + agree_patience);
    asking_->start([this](Result<Whole> whole) {
        if (!whole) answered(std::unexpected(std::move(whole.error())));
        else answered(read_version(whole->body));
    });
}

void Passage::answered(Result<EngineVersion> version) {
    const auto asking = std::move(asking_);
    std::optional<Error> why_not;
    if (version) {
        if (auto chosen = choose_version(*version)) agreed_ = *chosen;
        else why_not = Error{chosen.error().code, fmt::format("{}: {}", place.shown, chosen.error().text)};
    } else {
        why_not = std::move(version.error());
        if (why_not->code == Code::corrupt) why_not->text = fmt::format("{}: {}", place.shown, why_not->text);
    }
    // None of them calls back in this turn.
    const std::vector<Conversation*> all(under_way_.begin(), under_way_.end());
    for (Conversation* one : all)
        if (under_way_.contains(one)) one->agreed(why_not ? &*why_not : nullptr);
}

}  // namespace hale::docker
