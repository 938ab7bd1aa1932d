// SPDX-License-Identifier: MIT
/* The keeper's hand on taps (linux/if_tun.h); see tap.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tap.h"

#define FLAGS		(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE)
#define QUEUE_LENGTH	1000	/* packets that may wait in a queue of the tap, as Ethernet cards have it */

static int attach(const char *name)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;
	struct ifreq request = { .ifr_flags = FLAGS };

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (!ioctl(fd, TUNSETIFF, &request))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* A burst that this domain sends finds more room than the 500 that are usual. No harm if that fails. */
static void lengthen(const char *name)
{
	struct ifreq request = { .ifr_qlen = QUEUE_LENGTH };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0)
		return;
	(void)!ioctl(fd, SIOCSIFTXQLEN, &request);
	close(fd);
}

int tap_make(const char *name)
{
	int fd = attach(name), err;

	if (fd >= 0)
		lengthen(name);
	if (fd < 0 || !ioctl(fd, TUNSETPERSIST, 1))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

bool tap_name(int fd, char name[IF_NAMESIZE])
{
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request))
		return false;
	snprintf(name, IF_NAMESIZE, "%.*s", IF_NAMESIZE - 1, request.ifr_name);
	return true;
}

int tap_queue(int first)
{
	char name[IF_NAMESIZE];

	return tap_name(first, name) ? attach(name) : -ENODEV;
}

int tap_offload(int fd, const struct net_takes *takes)
{
	unsigned long what = takes->csum4 || takes->csum6 ? TUN_F_CSUM : 0;

	/* The ring carries large packets in many pages only, and only with blank checksums. */
	if (takes->sg && takes->gso4 && takes->csum4)
		what |= TUN_F_TSO4;
	if (takes->sg && takes->gso6 && takes->csum6)
		what |= TUN_F_TSO6;
	return ioctl(fd, TUNSETOFFLOAD, what) ? -errno : 0;
}

void tap_carrier(int fd, bool on)
{
	unsigned int arg = on;

	/* A kernel that does not know it shows the interface as connected always. */
	(void)!ioctl(fd, TUNSETCARRIER, &arg);
}

void tap_empty(int fd)
{
	char packet[16];

	for (int i = 0; i < QUEUE_LENGTH && read(fd, packet, sizeof(packet)) > 0; i++)
		continue;
}

void tap_remove(int fd)
{
	ioctl(fd, TUNSETPERSIST, 0);
	close(fd);
}
