// The interfaces have no code of their own; this unit compiles each of them alone.
#include "io/blocking.h"
#include "io/loop.h"
#include "io/resolver.h"
#include "io/stream.h"
