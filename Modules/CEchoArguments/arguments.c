#include "CEchoArguments.h"

static int count;
static char **values;

// The C library of Linux passes them to constructors as it does to main.
__attribute__((constructor)) static void keep(int argument_count, char **arguments) {
    count = argument_count;
    values = arguments;
}

int cechoarguments_count(void) { return count; }

const char *cechoarguments_value(int index) { return values[index]; }
