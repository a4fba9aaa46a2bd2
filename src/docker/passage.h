// The way to one engine: where it is, the version both speak, and the conversations under way. Belongs to one loop.

#pragma once

#include <memory>
#include <optional>
#include <set>

#include "docker/engine.h"

namespace hale::docker {

class Conversation;

class Passage : public std::enable_shared_from_this<Passage> {
public:
    Passage(Ways the_ways, Place the_place);
    ~Passage();

    const Ways ways;
    const Place place;

    // No conversation is heard of any more, and no new one begins.
    void close();
    bool closed() const { return closed_; }
    void enter(Conversation& conversation) { under_way_.insert(&conversation); }
    void leave(Conversation& conversation);

    std::optional<ApiVersion> agreed() const { return agreed_; }
    // Those who wait for an agreement hear of it, or of its failure.
    void agree();
    // The engine went away, or changed: the next call agrees anew.
    void forget() { agreed_.reset(); }

private:
    void answered(Result<EngineVersion> version);

    std::optional<ApiVersion> agreed_;
    std::set<Conversation*> under_way_;
    std::unique_ptr<Conversation> asking_;
    bool closed_ = false;
};

// The version to speak with an engine that says that of itself.
Result<ApiVersion> choose_version(const EngineVersion& theirs);

}  // namespace hale::docker
