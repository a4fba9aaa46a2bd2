// Text that many records carry and nobody changes: names, ids, addresses as written, file names. One pointer
// wide, copied by counting; an empty one holds nothing. A hundred thousand instances name their service and
// their file thousands of times over, and a std::string would spell it each time.
//
// A value like std::string_view: compare it, print it, hand it to whoever takes a string_view. Threads may share
// copies; one object belongs to one thread at a time.

#pragma once

#include <atomic>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace hale {

class SharedText {
public:
    SharedText() noexcept = default;
    template <class T>
        requires(std::convertible_to<const T&, std::string_view> && !std::same_as<T, SharedText>)
    SharedText(const T& text) : SharedText(make(std::string_view(text))) {}
    SharedText(const SharedText& other) noexcept : held_(other.held_) {
        if (held_ != nullptr) held_->holders.fetch_add(1, std::memory_order_relaxed);
    }
    SharedText(SharedText&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
    SharedText& operator=(SharedText other) noexcept {
        std::swap(held_, other.held_);
        return *this;
    }
    ~SharedText() { let_go(); }

    std::string_view view() const noexcept { return held_ ? std::string_view(held_->text(), held_->size) : std::string_view{}; }
    operator std::string_view() const noexcept { return view(); }
    const char* c_str() const noexcept { return held_ ? held_->text() : ""; }
    std::string str() const { return std::string(view()); }
    bool empty() const noexcept { return held_ == nullptr; }
    std::size_t size() const noexcept { return held_ ? held_->size : 0; }
    bool starts_with(std::string_view text) const noexcept { return view().starts_with(text); }
    bool contains(std::string_view text) const noexcept { return view().contains(text); }

    template <class T>
        requires std::convertible_to<const T&, std::string_view>
    friend bool operator==(const SharedText& a, const T& b) {
        if constexpr (std::same_as<T, SharedText>)
            if (a.held_ == b.held_) return true;
        return a.view() == std::string_view(b);
    }
    template <class T>
        requires std::convertible_to<const T&, std::string_view>
    friend std::strong_ordering operator<=>(const SharedText& a, const T& b) {
        return a.view() <=> std::string_view(b);
    }
    friend std::ostream& operator<<(std::ostream& out, const SharedText& text);

private:
    struct Held {
        std::atomic<std::uint32_t> holders;
        std::uint32_t size;
        // `size` characters, then a zero, stand right behind.
        char* text() noexcept { return reinterpret_cast<char*>(this + 1); }
    };
    explicit SharedText(Held* held) noexcept : held_(held) {}
    static SharedText make(std::string_view text);
    void let_go() noexcept;

    Held* held_ = nullptr;
};

// For tables keyed by text of any kind, to be asked with a string_view.
struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};

}  // namespace hale

template <>
struct std::hash<hale::SharedText> {
    std::size_t operator()(const hale::SharedText& text) const noexcept { return std::hash<std::string_view>{}(text.view()); }
};

template <>
struct fmt::formatter<hale::SharedText> : fmt::formatter<std::string_view> {
    template <class Context>
    auto format(const hale::SharedText& text, Context& context) const {
        return fmt::formatter<std::string_view>::format(text.view(), context);
    }
};
