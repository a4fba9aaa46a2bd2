// A deleter made of a C library's function: std::unique_ptr<SSL, Freed<SSL_free>>.

#pragma once

namespace hale {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};

}  // namespace hale
