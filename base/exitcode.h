/* Exit codes of all programs (ARCHITECTURE.md, "Contracts"). 64..78 follow sysexits.h. */
#ifndef SLUICE_BASE_EXITCODE_H
#define SLUICE_BASE_EXITCODE_H

enum exit_code {
    EXIT_CODE_OK = 0,           /* done, drained */
    EXIT_CODE_NO = 1,           /* the answer is no: check failed, orders lost */
    EXIT_CODE_USAGE = 64,       /* bad command line */
    EXIT_CODE_DATA = 65,        /* bad input data */
    EXIT_CODE_UNAVAILABLE = 69, /* endpoint or supervisor unreachable */
    EXIT_CODE_SOFTWARE = 70,    /* our bug */
    EXIT_CODE_IO = 74,          /* file or socket trouble */
    EXIT_CODE_BUSY = 75,        /* somebody else holds the lock; try later */
    EXIT_CODE_NOPERM = 77,      /* credentials or permission */
    EXIT_CODE_CONFIG = 78,      /* configuration */
};

#endif
