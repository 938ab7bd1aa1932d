// SPDX-License-Identifier: MIT
/*
 * lwIP as this guest has it: one task that does everything, IPv4, TCP with windows of 64 KiB, an HTTP server that reads
 * its pages from a disk while it goes on with others.
 */
#ifndef EXAMPLE_LWIPOPTS_H
#define EXAMPLE_LWIPOPTS_H

#define NO_SYS				1
#define SYS_LIGHTWEIGHT_PROT		0
#define LWIP_SOCKET			0
#define LWIP_NETCONN			0
#define LWIP_DHCP			1
#define LWIP_IPV6			0
#define LWIP_NETIF_STATUS_CALLBACK	1

#define MEM_ALIGNMENT			8
#define MEM_SIZE			(1 << 20)
#define MEMP_NUM_PBUF			256
#define MEMP_NUM_TCP_PCB		64
#define MEMP_NUM_TCP_SEG		512
#define PBUF_POOL_SIZE			256

#define TCP_MSS				1460
#define TCP_WND				(44 * TCP_MSS)
#define TCP_SND_BUF			(32 * TCP_MSS)
#define TCP_SND_QUEUELEN		128

/* Whether a packet's checksums are looked at is decided for each packet: the backend may have done it. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF	1

#define LWIP_HTTPD_DYNAMIC_HEADERS	1
#define LWIP_HTTPD_DYNAMIC_FILE_READ	1
#define LWIP_HTTPD_FS_ASYNC_READ	1
#define LWIP_HTTPD_CUSTOM_FILES		1	/* all of them: pages.c stands in for the server's fs.c */
#define HTTPD_SERVER_AGENT		"lwIP on Xenolith's frontends"
#define HTTPD_USE_MEM_POOL		0

#define LWIP_STATS			0

#endif
