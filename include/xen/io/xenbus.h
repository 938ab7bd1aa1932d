// SPDX-License-Identifier: MIT
/*
 * The states that the two ends of a split driver write into xenstore while they come up and go away.
 */
#ifndef XEN_IO_XENBUS_H
#define XEN_IO_XENBUS_H

enum xenbus_state {
	XenbusStateUnknown = 0,
	XenbusStateInitialising = 1,
	XenbusStateInitWait = 2,	/* backend: waits for what the frontend publishes */
	XenbusStateInitialised = 3,	/* frontend: has published rings and ports */
	XenbusStateConnected = 4,
	XenbusStateClosing = 5,
	XenbusStateClosed = 6,
	XenbusStateReconfiguring = 7,
	XenbusStateReconfigured = 8
};
typedef enum xenbus_state XenbusState;

#endif
