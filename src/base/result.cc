#include "base/result.h"

#include <cctype>
#include <system_error>

namespace hale {

std::string system_text(int error_number) {
    std::string text = std::generic_category().message(error_number);
    // Acronyms ("RPC version wrong") keep their capitals.
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

}  // namespace hale
