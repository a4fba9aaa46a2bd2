#include "wire/chars.h"

#if defined(__SSE2__)
#include <emmintrin.h>

#include <bit>
#endif

namespace hale::wire::chars {

const char* end_of_value(const char* at, const char* end) {
#if defined(__SSE2__)
    // 16 bytes at a time: forbidden is below a blank (compared as unsigned: max(c, 0x1f) is 0x1f) unless it is
    // a tab, or DEL.
    const __m128i last_control = _mm_set1_epi8(0x1f);
    const __m128i tab = _mm_set1_epi8('\t');
    const __m128i del = _mm_set1_epi8(0x7f);
    while (end - at >= 16) {
        const __m128i c = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i control =
            _mm_andnot_si128(_mm_cmpeq_epi8(c, tab), _mm_cmpeq_epi8(_mm_max_epu8(c, last_control), last_control));
        const auto stop = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(c, del))));
        if (stop != 0) return at + std::countr_zero(stop);
        at += 16;
    }
#endif
    while (at != end && is(*at, value)) ++at;
    return at;
}

}  // namespace hale::wire::chars
