// The client of one Docker Engine (API 1.40 and newer, also Podman's compatible socket). Belongs to one loop's thread; asks by one
// connection for each call, in the version that both speak: agreed before the first call, and again after the engine went away.
//
// Every call returns a handle and tells its end exactly once, in a later turn, at `by` at the latest (streams: see each).
// Destroying the handle ends the call unheard: so does destroying the engine. A callback may destroy handles, its own too, and the Engine.
//
//   call = engine.inspect("web-1", engine.soon(), [&](Result<Inspected> it) { ... });
//
// Errors keep the engine's own sentence; their codes: not_found, conflict, invalid, denied, timed_out, unavailable (not there, or
// in trouble; Error::system is not 0 when nobody answered at all), corrupt (what came can't be read), exhausted (more came than a named limit).

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "docker/place.h"
#include "docker/plans.h"
#include "docker/recreation.h"
#include "docker/words.h"
#include "http/client_exchange.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/stream.h"

namespace hale::docker {

inline constexpr ApiVersion newest_api{1, 44};
inline constexpr ApiVersion oldest_api{1, 40};
inline constexpr Duration usual_patience = 30s;
inline constexpr Duration agree_patience = 10s;               // For agreeing on a version.
inline constexpr std::size_t most_answer_bytes = 8u << 20;    // Of an answer that is one document.
inline constexpr std::size_t most_line_bytes = 256u << 10;    // Of a line of a stream.
inline constexpr std::size_t most_exec_output = 64u << 10;    // Kept of each of output and errors.
inline constexpr std::size_t most_addresses_tried = 4;

// Runs a command whose input and output are the connection: ssh:// needs one.
using Dial = std::function<Result<std::unique_ptr<io::Stream>>(const std::vector<std::string>& command)>;

struct Ways {
    io::Loop& loop;
    io::Net& net;
    io::Resolver& resolver;
    http::Scratch& scratch;
    Dial dial;               // Empty: ssh:// is refused.
    std::string user_agent;  // "hale/0.1.0"
};

class Ongoing {
public:
    virtual ~Ongoing() = default;
    // Nothing more of a stream is handed out, nor read, until go_on(): so the engine waits, too. For streams; others go on.
    virtual void pause() {}
    virtual void go_on() {}
};
using Call = std::unique_ptr<Ongoing>;

template <class T = void>
using Then = std::move_only_function<void(Result<T>)>;

class Passage;

class Engine {
public:
    Engine(Ways ways, Place place);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    const Place& place() const;
    io::Loop& loop() const;
    io::Net& net() const;
    Instant soon() const;      // usual_patience from now.
    ApiVersion agreed() const;  // 0.0 before.

    // Needs no agreement. Tells the engine's clock, to the second, where it says it.
    [[nodiscard]] Call ping(Instant by, Then<std::optional<Utc>> then);
    [[nodiscard]] Call version(Instant by, Then<EngineVersion> then);
    [[nodiscard]] Call info(Instant by, Then<EngineInfo> then);

    [[nodiscard]] Call inspect_image(std::string_view image, Instant by, Then<ImageFacts> then);
    // An error that comes inside the stream is the call's error.
    [[nodiscard]] Call pull(const PullPlan& plan, Instant by, std::move_only_function<void(const PullProgress&)> progress, Then<Pulled> then);

    [[nodiscard]] Call create(const ContainerPlan& plan, Instant by, Then<Created> then);
    // Starting what runs and stopping what does not is fine.
    [[nodiscard]] Call start(std::string_view container, Instant by, Then<> then);
    // Waits until it ended: after `grace` the engine kills it. Needs: `by` is later than that.
    [[nodiscard]] Call stop(std::string_view container, Duration grace, Instant by, Then<> then);
    [[nodiscard]] Call kill(std::string_view container, std::string_view signal, Instant by, Then<> then);
    [[nodiscard]] Call rename(std::string_view container, std::string_view name, Instant by, Then<> then);
    [[nodiscard]] Call remove(std::string_view container, RemovePlan plan, Instant by, Then<> then);
    // Until it is not running any more.
    [[nodiscard]] Call wait(std::string_view container, Instant by, Then<Exited> then);
    [[nodiscard]] Call inspect(std::string_view container, Instant by, Then<Inspected> then);
    // How it was made, to make it once more: by the same name only once that is free.
    [[nodiscard]] Call recreation(std::string_view container, Instant by, Then<Recreation> then);
    [[nodiscard]] Call create_again(std::string_view name, const Recreation& as, Instant by, Then<Created> then);
    // In every state; each label is "key" or "key=value".
    [[nodiscard]] Call list(const std::vector<std::string>& labels, Instant by, Then<std::vector<Listed>> then);

    // `by` is for the whole answer, but with follow only for its beginning. The bytes are as they come, not lines.
    [[nodiscard]] Call logs(std::string_view container, const LogsPlan& plan, Instant by, std::move_only_function<void(Source, std::string_view)> piece, Then<> then);
    // Runs a command inside and waits for its end. A command whose call was ended runs on: the engine has no way to stop it.
    [[nodiscard]] Call exec(std::string_view container, const ExecPlan& plan, Instant by, Then<ExecDone> then);

    [[nodiscard]] Call inspect_network(std::string_view network, Instant by, Then<NetworkFacts> then);
    [[nodiscard]] Call create_network(const NetworkPlan& plan, Instant by, Then<std::string> then);  // Its id.
    [[nodiscard]] Call connect(std::string_view network, std::string_view container, const std::vector<std::string>& aliases, Instant by, Then<> then);
    [[nodiscard]] Call disconnect(std::string_view network, std::string_view container, Instant by, Then<> then);
    [[nodiscard]] Call remove_network(std::string_view network, Instant by, Then<> then);

    // Events of containers, until the engine or the way to it ends: then always an error. `begun` comes when the engine
    // accepted, by `by`; afterwards silence is no error: ping beside it to learn whether the engine is there.
    struct Hearing {
        std::move_only_function<void()> begun;
        std::move_only_function<void(const Event&)> event;
        std::move_only_function<void(Error)> ended;
    };
    [[nodiscard]] Call events(const EventsPlan& plan, Instant by, Hearing hearing);

private:
    std::shared_ptr<Passage> passage_;
};

}  // namespace hale::docker
