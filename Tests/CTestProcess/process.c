// Says how many tests run at once, before Swift Testing asks: it has no setting for that in a package.
//
// Most of these tests wait, so that all of them would run at once. They would take so long that they
// ran out of time, and open so many descriptors that select(2) could watch none of theirs.

#include "CTestProcess.h"
#include <stdlib.h>

__attribute__((constructor)) static void limit_tests_at_once(void) {
    setenv("SWT_EXPERIMENTAL_MAXIMUM_PARALLELIZATION_WIDTH", "4", 0);
}
