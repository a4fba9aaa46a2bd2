// Names to addresses, without blocking. Answers come on the asking loop's thread, never inside resolve().

#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

namespace hale::io {

struct Resolution {
    std::vector<Ip> addresses;  // Not empty; in the order of the answer, IPv4 first.
    Duration ttl{};             // The smallest of the answer, as it came (policy clamps it).
};

class Resolver {
public:
    virtual ~Resolver() = default;

    using Answer = std::move_only_function<void(Result<Resolution>)>;

    // Destroying the returned handle withdraws the question: the answer is then never called. A question
    // ends by `deadline` at the latest, with Code::timed_out. NXDOMAIN is Code::not_found.
    class Question {
    public:
        virtual ~Question() = default;
    };
    [[nodiscard]] virtual std::unique_ptr<Question> resolve(std::string_view name, Instant deadline, Answer answer) = 0;
};

}  // namespace hale::io
