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

/* mcinfo_common.type */
#define MC_TYPE_GLOBAL			0
#define MC_TYPE_BANK			1

/* mcinfo_global.mc_flags */
#define MC_FLAG_CORRECTABLE		(1 << 0)
#define MC_FLAG_UNCORRECTABLE		(1 << 1)
#define MC_FLAG_RECOVERABLE		(1 << 2)
#define MC_FLAG_POLLED			(1 << 3)
#define MC_FLAG_RESET			(1 << 4)
#define MC_FLAG_CMCI			(1 << 5)
#define MC_FLAG_MCE			(1 << 6)

#define MCINFO_MAXSIZE			768

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

struct mcinfo_common {
	uint16_t type;
	uint16_t size;
};
typedef struct mcinfo_common xen_mcinfo_common_t;

struct mcinfo_global {
	xen_mcinfo_common_t common;
	uint16_t mc_domid;		/* that ran */
	uint16_t mc_vcpuid;
	uint32_t mc_socketid;
	uint16_t mc_coreid;
	uint16_t mc_core_threadid;
	uint32_t mc_apicid;
	uint32_t mc_flags;
	uint64_t mc_gstatus;		/* IA32_MCG_STATUS */
};
XEN_ABI_SIZE(struct mcinfo_global, 32);

struct mcinfo_bank {
	xen_mcinfo_common_t common;
	uint16_t mc_bank;
	uint16_t mc_domid;		/* owner of the memory at mc_addr */
	uint64_t mc_status;
	uint64_t mc_addr;
	uint64_t mc_misc;
	uint64_t mc_ctrl2;
	uint64_t mc_tsc;
};
XEN_ABI_SIZE(struct mcinfo_bank, 48);

struct mc_info {
	uint32_t mi_nentries;
	uint32_t flags;
	uint64_t mi_data[(MCINFO_MAXSIZE - 1) / 8];
};
typedef struct mc_info mc_info_t;
XEN_ABI_SIZE(struct mc_info, 768);

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
