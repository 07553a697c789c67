// The arguments that the process was started with, as the kernel laid them out for it.
#ifndef CECHOARGUMENTS_H
#define CECHOARGUMENTS_H

// How many there are, the program's name included.
int cechoarguments_count(void);
// One of them, ended by a zero byte.
const char *cechoarguments_value(int index);

#endif
