// Probes that wait their turn, in order. Intrusive, so that one which is withdrawn leaves at once.

#pragma once

#include <cstddef>

namespace hale::probe {

class Flight;
class FlightQueue;

struct QueueHook {
    FlightQueue* queue = nullptr;  // Null: not waiting.
    Flight* previous = nullptr;
    Flight* next = nullptr;
};

class FlightQueue {
public:
    void push(Flight& flight);
    void push_front(Flight& flight);
    Flight* pop();  // Null when empty.
    void remove(Flight& flight);
    bool empty() const { return first_ == nullptr; }

private:
    Flight* first_ = nullptr;
    Flight* last_ = nullptr;
};

}  // namespace hale::probe
