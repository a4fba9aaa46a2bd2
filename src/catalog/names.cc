#include "catalog/names.h"

#include <algorithm>
#include <utility>

namespace hale::catalog {

void Names::want(const std::set<std::string>& names) {
    std::erase_if(wanted_, [&](const auto& entry) { return !names.contains(entry.first); });
    for (const auto& text : names) {
        if (wanted_.contains(text)) continue;
        auto& name = *wanted_.emplace(text, std::make_unique<Name>(*this, text)).first->second;
        ask(name);
    }
}

void Names::doubt(std::string_view text) {
    const auto found = wanted_.find(text);
    if (found == wanted_.end() || found->second->question) return;
    const Instant earliest = found->second->asked + least_ttl;
    if (found->second->timer.at() > earliest) found->second->timer.arm(std::max(earliest, loop_.now()));
}

void Names::ask(Name& name) {
    if (name.question) return;
    name.asked = loop_.now();
    name.question = resolver_.resolve(name.text, loop_.now() + lookup_timeout,
                                      [this, &name](Result<io::Resolution> answer) { take(name, std::move(answer)); });
}

void Names::take(Name& name, Result<io::Resolution> answer) {
    name.question.reset();
    const std::string text = name.text;  // The callbacks may change what is wanted.
    if (answer) {
        name.failing = false;
        name.timer.arm(loop_.now() + std::clamp(answer->ttl, least_ttl, most_ttl));
        answered_(text, std::move(answer->addresses));
        return;
    }
    name.timer.arm(loop_.now() + retry_failed_lookup);
    if (!std::exchange(name.failing, true)) failed_(text, answer.error());
}

}  // namespace hale::catalog
