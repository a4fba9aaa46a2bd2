#include "base/shared_text.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <ostream>

#include "base/check.h"

namespace hale {

SharedText SharedText::make(std::string_view text) {
    if (text.empty()) return {};
    HALE_CHECK(text.size() <= UINT32_MAX);
    void* place = ::operator new(sizeof(Held) + text.size() + 1);
    auto* held = new (place) Held{.holders = {1}, .size = static_cast<std::uint32_t>(text.size())};
    std::memcpy(held->text(), text.data(), text.size());
    held->text()[text.size()] = '\0';
    return SharedText(held);
}

void SharedText::let_go() noexcept {
    if (held_ == nullptr || held_->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    held_->~Held();
    ::operator delete(held_);
}

std::ostream& operator<<(std::ostream& out, const SharedText& text) { return out << text.view(); }

}  // namespace hale
