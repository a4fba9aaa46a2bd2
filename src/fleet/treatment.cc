#include "fleet/treatment.h"

#include <fmt/format.h>

#include <utility>

namespace hale::fleet {

void Treatment::begin(config::HealPolicy what, MayI may_i, Done done) {
    may_i_ = std::move(may_i);
    done_ = std::move(done);
    if (what == config::HealPolicy::replace) return replace();
    stop([this] { start(id_); });
}

void Treatment::ask(Step step, io::Task then) {
    may_i_(step, [this, then = std::move(then), here = std::weak_ptr(self_)](const std::string& why_not) mutable {
        if (here.expired()) return;
        if (why_not.empty()) return then();
        end(fail(Code::conflict, fmt::format("container {} is left as it is: {}", name_, why_not)));
    });
}

void Treatment::end(Result<> how) {
    auto done = std::exchange(done_, {});
    if (done) done(std::move(how));
}

void Treatment::stop(io::Task then) {
    ask(Step::stop, [this, then = std::move(then)]() mutable {
        call_ = engine_.stop(id_, grace_, engine_.loop().now() + grace_ + stop_patience, [this, then = std::move(then)](Result<> done) mutable {
            if (!done) return end(std::move(done));
            ask(Step::start, std::move(then));
        });
    });
}

void Treatment::start(const std::string& container) {
    call_ = engine_.start(container, engine_.soon(), [this](Result<> done) { end(std::move(done)); });
}

void Treatment::replace() {
    call_ = engine_.recreation(id_, engine_.soon(), [this](Result<docker::Recreation> as) {
        if (!as) return end(fail(as.error().code, fmt::format("container {} can't be made again: {}", name_, as.error().text)));
        as_ = std::move(*as);
        stop([this] {
            // Its id tells it from another that was put aside before.
            aside_ = fmt::format("{}-sick-{}", name_, id_.substr(0, 12));
            call_ = engine_.rename(id_, aside_, engine_.soon(), [this](Result<> renamed) {
                if (!renamed) return start(id_);
                make_again();
            });
        });
    });
}

void Treatment::make_again() {
    call_ = engine_.create_again(name_, as_, engine_.soon(), [this](Result<docker::Created> made) {
        if (!made) return undo(made.error());
        made_ = made->id;
        call_ = engine_.start(made->id, engine_.soon(), [this](Result<> started) {
            if (!started) return undo(started.error());
            call_ = engine_.remove(id_, {.force = true, .volumes = false}, engine_.soon(), [this](Result<> removed) {
                if (!removed) return end(fail(removed.error().code, fmt::format("another container {} runs; the old one is left as {}: {}", name_, aside_, removed.error().text)));
                end({});
            });
        });
    });
}

// The sick one is better than none. By its id: the name may be somebody else's by now, who took it while it was free.
void Treatment::undo(const Error& why) {
    if (made_.empty()) return go_back(why);
    call_ = engine_.remove(made_, {.force = true, .volumes = false}, engine_.soon(), [this, why](Result<>) { go_back(why); });
}

void Treatment::go_back(const Error& why) {
    call_ = engine_.rename(id_, name_, engine_.soon(), [this, why](Result<> renamed) {
        if (!renamed) return end(fail(why.code, fmt::format("container {} could not be made again ({}), and its name is taken ({}); the old one is left as {}, stopped", name_, why.text, renamed.error().text, aside_)));
        call_ = engine_.start(id_, engine_.soon(), [this, why](Result<>) { end(fail(why.code, fmt::format("container {} could not be made again ({}); the old one is started", name_, why.text))); });
    });
}

}  // namespace hale::fleet
