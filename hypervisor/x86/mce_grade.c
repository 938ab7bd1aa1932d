// SPDX-License-Identifier: MIT
/*
 * How bad a machine-check error is: SDM 3, 16.6.3 and table 16-7; AMD 2, 9.3.
 *
 * An unknown combination counts as the worst that it could be, as a machine that
 * goes on with wrong data is worse than one that stops.
 */
#include "x86/mce.h"

enum mce_grade mce_grade(u64 status, bool recovery, bool exception)
{
	if (!(status & MCI_VAL))
		return MCE_NONE;
	if (!(status & MCI_UC))
		return MCE_CORRECTED;
	/* Not signalled, and disabled in the bank's control: it is told by the bank that is enabled. */
	if (!(status & MCI_EN) && !exception)
		return MCE_DEFERRED;
	if (status & MCI_PCC)
		return MCE_FATAL;
	if (!recovery)
		return exception ? MCE_FATAL : MCE_DEFERRED;
	/* S: signalled by this machine check. AR: it must be dealt with before anything goes on. */
	if (!(status & MCI_AR))
		return MCE_DEFERRED;
	if (!(status & MCI_S) || status & MCI_OVER || !(status & MCI_ADDRV))
		return MCE_FATAL;
	return MCE_MEMORY;
}
