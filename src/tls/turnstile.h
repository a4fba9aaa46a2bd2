// Lets the handshakes of one listener through a few at a time, after everybody else's work of the turn: a storm of new
// clients costs those who are connected a bounded piece of each turn. First come, first served. Belongs to one loop.

#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/time.h"
#include "io/loop.h"

namespace hale::tls {

// One that waits to take its next step. At most once in the line.
class Waiting {
public:
    virtual void step() noexcept = 0;

protected:
    ~Waiting() = default;

private:
    friend class Turnstile;
    std::size_t place_ = 0;
    bool in_line_ = false;
};

class Turnstile : public std::enable_shared_from_this<Turnstile> {
public:
    // In one turn. A step costs what thirty requests cost, and looking in between whether somebody else has work, one
    // system call.
    static constexpr std::size_t most_steps = 1;

    explicit Turnstile(io::Loop& loop) : loop_(loop) {}

    void enter(Waiting& one);
    // Before it dies.
    void leave(Waiting& one);
    std::size_t waiting() const { return line_.size() - next_; }

private:
    void let_through();
    void open_later();

    io::Loop& loop_;
    std::vector<Waiting*> line_;  // From next_ on; null: left meanwhile.
    std::size_t next_ = 0;
    bool posted_ = false;
};

}  // namespace hale::tls
