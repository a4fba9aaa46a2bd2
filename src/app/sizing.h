// How many threads `auto` means.

#pragma once

#include "config/document.h"

namespace hale::app {

// CPU seconds per second that the declared checks will cost, by kind: measured on one core of a small machine.
double checking_load(const config::Document& document);

// Enough checkers to keep each below half a core, at least two where there are two cores, never more than cores.
unsigned auto_checkers(const config::Document& document, unsigned cores);

}  // namespace hale::app
