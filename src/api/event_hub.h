// Live changes: one ring of what happened, and each subscriber's place in it. A slow subscriber buffers
// nothing of its own beyond its socket's share: it falls behind in the ring, gets only the latest of each
// object when it catches up, and a `resync` when the ring was overwritten.
//
// An event is serialised once, when the first subscriber needs it. Subscribers are woken at most 20 times a
// second.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "catalog/view.h"
#include "http/server_exchange.h"
#include "io/loop.h"

namespace hale::api {

inline constexpr std::size_t most_ring_events = 10'000;
inline constexpr std::size_t most_subscribers = 1'000;
inline constexpr std::size_t most_unsent_per_subscriber = 256 * 1024;
inline constexpr Duration flush_interval = 50ms;
inline constexpr Duration ping_interval = 15s;

struct HubEvent {
    std::uint64_t revision = 0;
    Utc at{};
    std::string_view type;      // "io.hale.verdict.changed.v1"; static.
    std::string key;            // Later events of the same key make this one needless; the type's word is a part of it.
    std::string subject;
    std::string service;
    std::string instance;       // Id, when it is about one.
    std::string name;           // Its name.
    std::uint64_t sequence = 0;  // Verdict version, where there is one.
    std::string note;            // Text of a notice; JSON string still to be made.
    std::shared_ptr<const std::string> data;  // The frame's `data:` line, once made.
};

struct EventFilter {
    std::string service;
    std::string instance;  // Id or name.
    std::vector<std::string> types;  // Middle words: "verdict", "service", "config" …
    bool wants(const HubEvent& event) const;
};

class EventHub {
public:
    EventHub(io::Loop& loop, const catalog::View& view, std::string node);

    // After the delta was applied. `before` names what a removal was about.
    struct Gone { std::string service, instance, name; };
    void add(const catalog::Delta& delta, const Gone& gone);
    // What is not kept: whoever knows less than this starts over.
    void skip(std::uint64_t revision) { dropped_revision_ = revision; }

    // So many changes were replaced by later ones before they came here: everybody starts over.
    void skipped(std::uint64_t count, std::uint64_t revision);
    // Null when there are too many. `last`: the revision that the subscriber has seen.
    std::unique_ptr<http::BodyProducer> subscribe(std::shared_ptr<http::ServerExchange> exchange, EventFilter filter, std::optional<std::uint64_t> last);
    void end();  // Streams end with their next piece.

    std::size_t subscribers() const { return subscribers_.size(); }
    std::uint64_t resyncs() const { return resyncs_; }
    std::uint64_t changes_skipped() const { return changes_skipped_; }

private:
    class Subscriber;
    friend class Subscriber;
    std::uint64_t first() const { return next_ - ring_.size(); }
    void push(HubEvent event);
    const std::string& data(HubEvent& event);
    bool superseded(const HubEvent& event, std::uint64_t number) const;
    void flush() noexcept;

    io::Loop& loop_;
    const catalog::View& view_;
    const std::string node_;
    io::Timer timer_;
    std::deque<HubEvent> ring_;
    std::uint64_t next_ = 0;  // Number of the next event.
    std::unordered_map<std::string, std::uint64_t> latest_;  // By key: its newest event's number.
    std::unordered_set<Subscriber*> subscribers_;
    std::uint64_t dropped_revision_ = 0;  // Of the newest event that left the ring.
    std::uint64_t resyncs_ = 0;
    std::uint64_t changes_skipped_ = 0;
    Instant pinged_{};
    bool news_ = false;
    bool ended_ = false;
};

}  // namespace hale::api
