#include "docker/engine.h"

#include <fmt/format.h>

#include <utility>

#include "docker/answers.h"
#include "docker/conversation.h"
#include "docker/exec.h"
#include "docker/frames.h"
#include "docker/lines.h"
#include "docker/requests.h"

namespace hale::docker {

namespace {

// One document asked, one value told.
template <class T>
Call ask(const std::shared_ptr<Passage>& passage, Request request, Instant by, Result<T> (*read)(std::string_view), Then<T> then) {
    const std::string what = request.what;
    auto conversation = std::make_unique<Conversation>(passage, std::move(request), by);
    conversation->start([read, then = std::move(then), what, place = passage->place.shown](Result<Whole> whole) mutable {
        if (!whole) return then(std::unexpected(std::move(whole.error())));
        Result<T> value = read(whole->body);
        if (!value) value.error().text = fmt::format("{} at {}: {}", what, place, value.error().text);
        then(std::move(value));
    });
    return conversation;
}

// Asked, and done or not.
Call tell(const std::shared_ptr<Passage>& passage, Request request, Instant by, Then<> then) {
    auto conversation = std::make_unique<Conversation>(passage, std::move(request), by);
    conversation->start([then = std::move(then)](Result<Whole> whole) mutable {
        if (!whole) then(std::unexpected(std::move(whole.error())));
        else then({});
    });
    return conversation;
}

// Calls `each` for every line in `bytes`; the first that it can't take ends it.
template <class Each>
Result<> each_line(Lines& lines, std::string_view bytes, const bool& gone, Each each) {
    for (;;) {
        std::string_view line;
        switch (lines.next(bytes, line)) {
            case Lines::Step::more: return {};
            case Lines::Step::too_long: return fail(Code::exhausted, fmt::format("a line is longer than {} bytes", most_line_bytes));
            case Lines::Step::line: HALE_TRY(each(line)); break;
        }
        if (gone) return {};
    }
}

}  // namespace

Engine::Engine(Ways ways, Place place) : passage_(std::make_shared<Passage>(std::move(ways), std::move(place))) {}
Engine::~Engine() { passage_->close(); }

const Place& Engine::place() const { return passage_->place; }
io::Net& Engine::net() const { return passage_->ways.net; }
io::Loop& Engine::loop() const { return passage_->ways.loop; }
Instant Engine::soon() const { return passage_->ways.loop.now() + usual_patience; }
ApiVersion Engine::agreed() const { return passage_->agreed().value_or(ApiVersion{}); }

Call Engine::ping(Instant by, Then<std::optional<Utc>> then) {
    auto conversation = std::make_unique<Conversation>(passage_, Request{.path = "/_ping", .what = "ping", .versioned = false}, by);
    conversation->start([then = std::move(then)](Result<Whole> whole) mutable {
        if (!whole) then(std::unexpected(std::move(whole.error())));
        else then(whole->date);
    });
    return conversation;
}

Call Engine::version(Instant by, Then<EngineVersion> then) {
    return ask(passage_, Request{.path = "/version", .what = "ask the version", .versioned = false}, by, read_version, std::move(then));
}

Call Engine::info(Instant by, Then<EngineInfo> then) { return ask(passage_, Request{.path = "/info", .what = "ask about the engine"}, by, read_info, std::move(then)); }

Call Engine::inspect_image(std::string_view image, Instant by, Then<ImageFacts> then) { return ask(passage_, image_request(image), by, read_image, std::move(then)); }

Call Engine::pull(const PullPlan& plan, Instant by, std::move_only_function<void(const PullProgress&)> progress, Then<Pulled> then) {
    struct Pulling {
        Lines lines{most_line_bytes};
        std::move_only_function<void(const PullProgress&)> progress;
        Pulled pulled;
    };
    const auto pulling = std::make_shared<Pulling>();
    pulling->progress = std::move(progress);
    const auto take = [](Pulling& to, std::string_view line) -> Result<> {
        HALE_ASSIGN(PullLine read, read_pull_line(line));
        if (read.error) return std::unexpected(std::move(*read.error));
        if (!read.digest.empty()) to.pulled.digest = std::move(read.digest);
        if (read.progress.status.starts_with("Status: ")) to.pulled.status = read.progress.status;
        if (to.progress) to.progress(read.progress);
        return {};
    };
    auto conversation = std::make_unique<Conversation>(passage_, pull_request(plan), by);
    conversation->piece = [pulling, take](std::string_view bytes, const bool& gone) {
        return each_line(pulling->lines, bytes, gone, [&](std::string_view line) { return take(*pulling, line); });
    };
    Request request = pull_request(plan);
    conversation->start([pulling, take, then = std::move(then), what = fmt::format("{} at {}", request.what, place().shown)](Result<Whole> whole) mutable {
        if (!whole) return then(std::unexpected(std::move(whole.error())));
        pulling->progress = nullptr;  // This turn is the end's.
        if (const std::string_view last = pulling->lines.rest(); !last.empty())
            if (auto fine = take(*pulling, last); !fine) return then(fail(fine.error().code, fmt::format("{}: {}", what, fine.error().text)));
        then(std::move(pulling->pulled));
    });
    return conversation;
}

Call Engine::create(const ContainerPlan& plan, Instant by, Then<Created> then) { return ask(passage_, create_request(plan), by, read_created, std::move(then)); }
Call Engine::recreation(std::string_view container, Instant by, Then<Recreation> then) { return ask(passage_, inspect_request(container), by, read_recreation, std::move(then)); }
Call Engine::create_again(std::string_view name, const Recreation& as, Instant by, Then<Created> then) { return ask(passage_, create_request(name, as), by, read_created, std::move(then)); }
Call Engine::start(std::string_view container, Instant by, Then<> then) { return tell(passage_, container_request("start", container), by, std::move(then)); }
Call Engine::stop(std::string_view container, Duration grace, Instant by, Then<> then) { return tell(passage_, stop_request(container, grace), by, std::move(then)); }
Call Engine::kill(std::string_view container, std::string_view signal, Instant by, Then<> then) { return tell(passage_, kill_request(container, signal), by, std::move(then)); }
Call Engine::rename(std::string_view container, std::string_view name, Instant by, Then<> then) { return tell(passage_, rename_request(container, name), by, std::move(then)); }
Call Engine::remove(std::string_view container, RemovePlan plan, Instant by, Then<> then) { return tell(passage_, remove_request(container, plan), by, std::move(then)); }
Call Engine::wait(std::string_view container, Instant by, Then<Exited> then) { return ask(passage_, wait_request(container), by, read_exited, std::move(then)); }
Call Engine::inspect(std::string_view container, Instant by, Then<Inspected> then) { return ask(passage_, inspect_request(container), by, read_inspected, std::move(then)); }
Call Engine::list(const std::vector<std::string>& labels, Instant by, Then<std::vector<Listed>> then) { return ask(passage_, list_request(labels), by, read_listed, std::move(then)); }

Call Engine::logs(std::string_view container, const LogsPlan& plan, Instant by, std::move_only_function<void(Source, std::string_view)> piece, Then<> then) {
    struct Reading {
        Frames frames;
        bool framed;
        std::string why;  // The engine's own words in the stream.
        std::move_only_function<void(Source, std::string_view)> piece;
    };
    const auto reading = std::make_shared<Reading>(Frames{}, !plan.tty, std::string{}, std::move(piece));
    auto conversation = std::make_unique<Conversation>(passage_, logs_request(container, plan), by);
    conversation->endless = plan.follow;
    // Engines from API 1.42 on say it themselves.
    conversation->begun = [reading](const Conversation::Head& head) {
        if (head.content_type == "application/vnd.docker.multiplexed-stream") reading->framed = true;
    };
    conversation->piece = [reading](std::string_view bytes, const bool& gone) -> Result<> {
        if (!reading->framed) {
            reading->piece(Source::output, bytes);
            return {};
        }
        while (!gone) {
            const Frames::Piece one = reading->frames.next(bytes);
            switch (one.step) {
                case Frames::Step::more: return {};
                case Frames::Step::piece: reading->piece(one.source, one.bytes); break;
                case Frames::Step::engine: reading->why.append(one.bytes.substr(0, most_message_bytes - std::min(reading->why.size(), most_message_bytes))); break;
                case Frames::Step::bad: return fail(Code::corrupt, "the output is not framed; has the container a tty?");
            }
        }
        return {};
    };
    const std::string what = fmt::format("read logs of container {} at {}", container, place().shown);
    conversation->start([reading, what, then = std::move(then)](Result<Whole> whole) mutable {
        if (!whole) return then(std::unexpected(std::move(whole.error())));
        if (!reading->why.empty()) return then(fail(Code::unavailable, fmt::format("{}: {}", what, reading->why)));
        if (reading->framed && !reading->frames.whole()) return then(fail(Code::unavailable, fmt::format("{}: it ended inside a frame", what)));
        then({});
    });
    return conversation;
}

Call Engine::exec(std::string_view container, const ExecPlan& plan, Instant by, Then<ExecDone> then) {
    auto exec = std::make_unique<Exec>(passage_, by, std::move(then));
    exec->start(exec_create_request(container, plan));
    return exec;
}

Call Engine::inspect_network(std::string_view network, Instant by, Then<NetworkFacts> then) { return ask(passage_, network_request(network), by, read_network, std::move(then)); }
Call Engine::create_network(const NetworkPlan& plan, Instant by, Then<std::string> then) { return ask(passage_, create_network_request(plan), by, read_id, std::move(then)); }
Call Engine::connect(std::string_view network, std::string_view container, const std::vector<std::string>& aliases, Instant by, Then<> then) {
    return tell(passage_, connect_request(network, container, aliases), by, std::move(then));
}
Call Engine::disconnect(std::string_view network, std::string_view container, Instant by, Then<> then) { return tell(passage_, disconnect_request(network, container), by, std::move(then)); }
Call Engine::remove_network(std::string_view network, Instant by, Then<> then) { return tell(passage_, remove_network_request(network), by, std::move(then)); }

Call Engine::events(const EventsPlan& plan, Instant by, Hearing hearing) {
    struct Following {
        Lines lines{most_line_bytes};
        Hearing hearing;
    };
    const auto following = std::make_shared<Following>();
    following->hearing = std::move(hearing);
    auto conversation = std::make_unique<Conversation>(passage_, events_request(plan), by);
    conversation->endless = true;
    conversation->begun = [following](const Conversation::Head&) { following->hearing.begun(); };
    conversation->piece = [following](std::string_view bytes, const bool& gone) {
        return each_line(following->lines, bytes, gone, [&](std::string_view line) -> Result<> {
            HALE_ASSIGN(const auto event, read_event(line));
            if (event) following->hearing.event(*event);
            return {};
        });
    };
    conversation->start([following, passage = passage_, shown = place().shown](Result<Whole> whole) {
        passage->forget();  // Whoever comes back may be another version.
        if (!whole) following->hearing.ended(std::move(whole.error()));
        else following->hearing.ended(Error{Code::unavailable, fmt::format("follow events at {}: the engine ended the stream", shown)});
    });
    return conversation;
}

}  // namespace hale::docker
