// A doubly linked list through the objects themselves: entering and leaving cost two stores and no memory.
// An object is in at most one chain per link.

#pragma once

#include <cstddef>

namespace hale::proxy {

template <class T>
struct Link {
    T* previous = nullptr;
    T* next = nullptr;
    bool in = false;
};

template <class T, Link<T> T::*link>
class Chain {
public:
    bool empty() const { return first_ == nullptr; }
    std::size_t size() const { return size_; }
    T* front() const { return first_; }
    static T* after(const T& object) { return (object.*link).next; }

    // Does nothing when it is in already.
    void push_back(T& object) {
        auto& at = object.*link;
        if (at.in) return;
        at = {.previous = last_, .in = true};
        if (last_ != nullptr) (last_->*link).next = &object;
        else first_ = &object;
        last_ = &object;
        ++size_;
    }

    // Does nothing when it is not in.
    void erase(T& object) {
        auto& at = object.*link;
        if (!at.in) return;
        if (at.previous != nullptr) (at.previous->*link).next = at.next;
        else first_ = at.next;
        if (at.next != nullptr) (at.next->*link).previous = at.previous;
        else last_ = at.previous;
        at = {};
        --size_;
    }

    T* pop_front() {
        T* const object = first_;
        if (object != nullptr) erase(*object);
        return object;
    }

private:
    T* first_ = nullptr;
    T* last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace hale::proxy
