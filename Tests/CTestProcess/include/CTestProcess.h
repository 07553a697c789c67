// Nothing to call: being linked is enough. See process.c.
