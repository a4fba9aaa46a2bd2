#include "base/result.h"

#include <cctype>
#include <cstring>
#include <string>

namespace hale {

std::string system_text(int error_number) {
    // glibc's own table: safe in any thread, untranslated, and without a virtual call, which UBSan can't check
    // while descriptors are out.
    const char* known = ::strerrordesc_np(error_number);
    std::string text = known != nullptr ? known : "Unknown error " + std::to_string(error_number);
    // Acronyms ("RPC version wrong") keep their capitals.
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

}  // namespace hale
