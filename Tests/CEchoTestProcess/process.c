// Says how many tests run at once, before Swift Testing asks: it has no setting for that in a package.
//
// Most of these tests wait, so that all of them would run at once. They would run out of time, and
// open more descriptors than select(2) can watch.

#include "CEchoTestProcess.h"
#include <stdlib.h>

__attribute__((constructor)) static void limit_tests_at_once(void) {
    setenv("SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH", "4", 0);
}
