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
            aside_ = aside_name(name_, id_);
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
        take_over();
    });
}

void Treatment::take_over() {
    call_ = engine_.start(made_, engine_.soon(), [this](Result<> started) {
        if (!started) return undo(started.error());
        remove_old();
    });
}

void Treatment::remove_old() {
    call_ = engine_.remove(id_, {.force = true, .volumes = false}, engine_.soon(), [this](Result<> removed) {
        if (!removed && removed.error().code != Code::not_found) return end(fail(removed.error().code, fmt::format("another container {} is there; the old one is left as {}: {}", name_, aside_, removed.error().text)));
        end({});
    });
}

void Treatment::go_on(const CutOff& left, Done done) {
    done_ = std::move(done);
    aside_ = aside_name(name_, id_);
    made_ = left.made;
    if (made_.empty()) return put_back([this](Result<> back) { end(std::move(back)); });
    if (left.start) return take_over();
    remove_old();
}

// The sick one is better than none. By its id: the name may be somebody else's by now, who took it while it was free.
void Treatment::undo(const Error& why) {
    if (made_.empty()) return go_back(why);
    call_ = engine_.remove(made_, {.force = true, .volumes = false}, engine_.soon(), [this, why](Result<>) { go_back(why); });
}

void Treatment::go_back(const Error& why) {
    put_back([this, why](Result<> back) {
        const std::string after = back ? "the old one is started" : back.error().text;
        end(fail(why.code, fmt::format("container {} could not be made again ({}); {}", name_, why.text, after)));
    });
}

void Treatment::put_back(Done then) {
    call_ = engine_.rename(id_, name_, engine_.soon(), [this, then = std::move(then)](Result<> renamed) mutable {
        if (!renamed) return then(fail(renamed.error().code, fmt::format("its name can't be given back ({}), and the old one is left as {}, stopped", renamed.error().text, aside_)));
        call_ = engine_.start(id_, engine_.soon(), [then = std::move(then)](Result<> started) mutable {
            if (!started) return then(fail(started.error().code, fmt::format("the old one can't be started again: {}", started.error().text)));
            then({});
        });
    });
}

}  // namespace hale::fleet
