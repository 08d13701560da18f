/* Names of signals, the same with every C library: glibc's sigabbrev_np is glibc's alone. */
#ifndef SLUICE_BASE_SIGNAL_NAME_H
#define SLUICE_BASE_SIGNAL_NAME_H

/* "TERM" for SIGTERM; NULL for a number without a name (real-time signals, what is no signal). Static. Any
 * thread. */
const char *signal_name(int number);

#endif
