// SPDX-License-Identifier: MIT
/*
 * Machine checks: what dom0 may ask of the hypervisor's records (hypercall arch_0).
 */
#ifndef XEN_MCA_H
#define XEN_MCA_H

#include <xen/abi.h>

#define XEN_MCA_INTERFACE_VERSION	0x01ecc003

#define XEN_MC_fetch			1
#define XEN_MC_notifydomain		2
#define XEN_MC_physcpuinfo		3
#define XEN_MC_msrinject		4
#define XEN_MC_mceinject		5

/* xen_mc_fetch.flags, in */
#define XEN_MC_NONURGENT		0x0001
#define XEN_MC_URGENT			0x0002
#define XEN_MC_ACK			0x0004
/* and out */
#define XEN_MC_OK			0x0
#define XEN_MC_FETCHFAILED		0x1
#define XEN_MC_NODATA			0x2

#define MC_NCAPS			7
#define __MC_MSR_ARRAYSIZE		8

#ifndef __ASSEMBLER__

struct xen_mc_fetch {
	uint32_t flags;			/* in and out */
	uint32_t _pad0;
	uint64_t fetch_id;
	uint64_t data;			/* guest pointer: struct mc_info */
};
typedef struct xen_mc_fetch xen_mc_fetch_t;
XEN_ABI_SIZE(struct xen_mc_fetch, 24);

struct xen_mc_physcpuinfo {
	uint32_t ncpus;			/* in: room in info; out: CPUs there are */
	uint32_t _pad0;
	uint64_t info;			/* guest pointer: struct mcinfo_logical_cpu[], or NULL for the number alone */
};
typedef struct xen_mc_physcpuinfo xen_mc_physcpuinfo_t;
XEN_ABI_SIZE(struct xen_mc_physcpuinfo, 16);

struct mcinfo_msr {
	uint64_t reg;
	uint64_t value;
};
typedef struct mcinfo_msr xen_mcinfo_msr_t;

struct mcinfo_logical_cpu {
	uint32_t mc_cpunr;
	uint32_t mc_chipid;
	uint16_t mc_coreid;
	uint16_t mc_threadid;
	uint32_t mc_apicid;
	uint32_t mc_clusterid;
	uint32_t mc_ncores;
	uint32_t mc_ncores_active;
	uint32_t mc_nthreads;
	int32_t mc_cpuid_level;
	uint32_t mc_family;
	uint32_t mc_vendor;
	uint32_t mc_model;
	uint32_t mc_step;
	char mc_vendorid[16];
	char mc_brandid[64];
	uint32_t mc_cpu_caps[MC_NCAPS];
	uint32_t mc_cache_size;
	uint32_t mc_cache_alignment;
	int32_t mc_nmsrvals;
	xen_mcinfo_msr_t mc_msrvalues[__MC_MSR_ARRAYSIZE];
};
typedef struct mcinfo_logical_cpu xen_mc_logical_cpu_t;

#endif /* !__ASSEMBLER__ */
#endif
