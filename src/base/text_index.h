// Finds things by a text that they themselves hold: a flat table of small handles (slot numbers, pointers) without
// a copy of any key. Some ten bytes an entry, where a node of std::unordered_map takes fifty and more.
//
// Open addressing with linear probing and deletion by shifting back (Knuth, The Art of Computer Programming,
// vol. 3, 6.4, algorithm R). `key_of(handle)` gives the text of a handle that is in the table: it must stay the
// same, and stay reachable, while the handle is in. Belongs to one thread.

#pragma once

#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace hale {

// `nothing`: a value that no handle ever has.
template <class Handle, Handle nothing>
class TextIndex {
public:
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    // `nothing` when no handle has this key.
    template <class KeyOf>
    Handle find(std::string_view key, KeyOf key_of) const {
        if (size_ == 0) return nothing;
        return places_[place_of(key, key_of)];
    }

    // Who had this key before makes way.
    template <class KeyOf>
    void put(Handle handle, KeyOf key_of) {
        if ((size_ + 1) * 4 > places_.size() * 3) grow(key_of);
        Handle& place = places_[place_of(key_of(handle), key_of)];
        if (place == nothing) ++size_;
        place = handle;
    }

    // Only when the key is this handle's.
    template <class KeyOf>
    bool erase(Handle handle, KeyOf key_of) {
        if (size_ == 0) return false;
        std::size_t hole = place_of(key_of(handle), key_of);
        if (places_[hole] != handle) return false;
        const std::size_t mask = places_.size() - 1;
        for (std::size_t at = (hole + 1) & mask; places_[at] != nothing; at = (at + 1) & mask) {
            // It may move into the hole unless its own place lies between the hole and where it stands.
            const std::size_t home = hash(key_of(places_[at])) & mask;
            if (((at - home) & mask) < ((at - hole) & mask)) continue;
            places_[hole] = places_[at];
            hole = at;
        }
        places_[hole] = nothing;
        --size_;
        return true;
    }

private:
    static constexpr std::size_t least_places = 16;

    static std::size_t hash(std::string_view key) { return std::hash<std::string_view>{}(key); }

    // Where the key is, or where it would go. There is always a free place.
    template <class KeyOf>
    std::size_t place_of(std::string_view key, KeyOf& key_of) const {
        const std::size_t mask = places_.size() - 1;
        std::size_t at = hash(key) & mask;
        while (places_[at] != nothing && key_of(places_[at]) != key) at = (at + 1) & mask;
        return at;
    }

    template <class KeyOf>
    void grow(KeyOf& key_of) {
        auto old = std::exchange(places_, std::vector<Handle>(places_.empty() ? least_places : places_.size() * 2, nothing));
        const std::size_t mask = places_.size() - 1;
        for (const Handle handle : old) {
            if (handle == nothing) continue;
            std::size_t at = hash(key_of(handle)) & mask;
            while (places_[at] != nothing) at = (at + 1) & mask;
            places_[at] = handle;
        }
    }

    std::vector<Handle> places_;  // A power of two, at most three quarters taken.
    std::size_t size_ = 0;
};

}  // namespace hale
