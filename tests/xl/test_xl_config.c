// SPDX-License-Identifier: MIT
/* The parsers of xl, each rule by itself; what Debian's xl makes of the same is in tests/tools/test_xl_config.py. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "config.h"
#include "saved.h"

static char said[4096];
static int errors, warnings;

static void say(void *arg, bool is_error, const char *line)
{
	errors += is_error;
	warnings += !is_error;
	strncat(said, line, sizeof(said) - strlen(said) - 2);
	strcat(said, "\n");
}

static const struct reporter reporter = { .say = say };
static struct guest_config c;

static int setup(void **state)
{
	said[0] = 0;
	errors = warnings = 0;
	return 0;
}

static int teardown(void **state)
{
	config_free(&c);
	return 0;
}

static int parse(const char *text, const char *extra)
{
	return config_parse(&c, "f", text, strlen(text), extra, NULL, &reporter);
}

#define HEAD "name='g'\nkernel='k'\n"

static void config_has_its_defaults(void **state)
{
	assert_int_equal(parse(HEAD, NULL), 0);
	assert_string_equal(c.name, "g");
	assert_int_equal(c.type, GUEST_PV);
	assert_int_equal(c.memory, 32 << 10);
	assert_int_equal(c.maxmem, 32 << 10);
	assert_int_equal(c.vcpus, 1);
	assert_int_equal(c.maxvcpus, 1);
	assert_int_equal(c.on_poweroff, ACTION_DESTROY);
	assert_int_equal(c.on_reboot, ACTION_RESTART);
	assert_int_equal(c.on_crash, ACTION_DESTROY);
	assert_int_equal(c.cpu_weight, CONFIG_DEFAULT);
	assert_int_equal(c.max_event_channels, 1023);
	assert_false(c.has_uuid);
	assert_null(c.cmdline);
	assert_int_equal(errors + warnings, 0);
}

static void config_fills_what_a_pv_guest_needs(void **state)
{
	assert_int_equal(parse(HEAD "memory=64\nmaxmem=96\nvcpus=2\nmaxvcpus=4\nroot='/dev/xvda1'\nextra='ro quiet'\n"
			       "cpus=['1','2-3']\non_crash='rename-restart'\nuuid='00112233-4455-6677-8899-aabbccddeeff'\n"
			       "bootloader_args=['-q','x']\nioports=['2f8-2ff']\nirqs=[5]\nrtc_timeoffset='-60'\n", NULL), 0);
	assert_int_equal(c.memory, 64 << 10);
	assert_int_equal(c.maxmem, 96 << 10);
	assert_int_equal(c.vcpus, 2);
	assert_int_equal(c.maxvcpus, 4);
	assert_string_equal(c.cmdline, "root=/dev/xvda1 ro quiet");
	assert_true(c.cpus_is_list);
	assert_int_equal(c.nr_cpus, 2);
	assert_string_equal(c.cpus[1], "2-3");
	assert_int_equal(c.on_crash, ACTION_RENAME_RESTART);
	assert_true(c.has_uuid);
	assert_int_equal(c.uuid[1], 0x11);
	assert_int_equal(c.uuid[15], 0xff);
	assert_string_equal(c.bootloader_args[1], "x");
	assert_null(c.bootloader_args[2]);
	assert_int_equal(c.ioports[0].start, 0x2f8);
	assert_int_equal(c.ioports[0].number, 8);
	assert_int_equal(c.irqs[0], 5);
	assert_int_equal(c.rtc_timeoffset, -60);
}

static void command_line_comes_after_the_file(void **state)
{
	assert_int_equal(parse(HEAD "memory=64\ndisk=['/a,,xvda']", "memory=70\ndisk+=['/b,,xvdb']\n"), 0);
	assert_int_equal(c.memory, 70 << 10);
	assert_int_equal(c.nr_disks, 2);
	assert_string_equal(c.disks[1].vdev, "xvdb");
	assert_non_null(strstr(c.source, "memory=70"));
}

static void all_mistakes_are_reported_at_once(void **state)
{
	assert_int_equal(parse(HEAD "on_crash='x'\ndisk=['/a,,xvda','/b']\nuuid='1'\n", NULL), -22);
	assert_int_equal(errors, 3);
	assert_non_null(strstr(said, "f:3:10: on_crash: unknown action `x'; accepted are"));
	assert_non_null(strstr(said, "f:4:18: disk: there is no vdev"));
	assert_non_null(strstr(said, "f:5:6: uuid: "));
	assert_null(c.name);
}

static void statements_after_a_mistake_are_read(void **state)
{
	assert_int_equal(parse("name=x\nkernel='k\nmemory=[1\n,]]\n;Foo=3\n", NULL), -22);
	assert_int_equal(errors, 4);
	assert_non_null(strstr(said, "f:1:6: name: no value; accepted are"));
	assert_non_null(strstr(said, "f:2:8: kernel: the quote is not closed"));
	assert_non_null(strstr(said, "f:4:3: memory: there is more behind the value"));
}

static void lists_nest_to_a_bound(void **state)
{
	char text[200] = HEAD "a=";

	for (int i = 0; i < 16; i++)
		strcat(text, "[");
	for (int i = 0; i < 16; i++)
		strcat(text, "]");
	assert_int_equal(parse(text, NULL), 0);
	config_free(&c);
	strcpy(text, HEAD "a=");
	for (int i = 0; i < 17; i++)
		strcat(text, "[");
	assert_int_equal(parse(text, NULL), -22);
	assert_non_null(strstr(said, "nested too deeply"));
}

static void text_need_not_end_with_a_zero(void **state)
{
	static const char text[] = HEAD "memory=64";
	char *exact = malloc(sizeof(text) - 1);

	memcpy(exact, text, sizeof(text) - 1);
	assert_int_equal(config_parse(&c, "f", exact, sizeof(text) - 1, NULL, NULL, &reporter), 0);
	assert_int_equal(c.memory, 64 << 10);
	free(exact);
}

static void escapes_are_those_of_c(void **state)
{
	assert_int_equal(parse(HEAD "extra='a\\tb\\x41\\101\\\\\\''", NULL), 0);
	assert_string_equal(c.cmdline, "a\tbAA\\'");
	config_free(&c);
	assert_int_equal(parse(HEAD "extra='\\0'", NULL), -22);
}

static void unsupported_keys_are_named_once(void **state)
{
	assert_int_equal(parse(HEAD "hap=1\nhap=1\nvnc=1\nmemroy=3\n", NULL), 0);
	assert_int_equal(warnings, 3);
	assert_non_null(strstr(said, "f:4:5: hap: not supported yet"));
	assert_non_null(strstr(said, "did you mean memory?"));
}

static void xl_conf_gives_defaults(void **state)
{
	static const char text[] = "vif.default.bridge='br7'\nmax_grant_frames=9\nclaim_mode=0\nautoballoon='off'\nfoo=1\n"
				   "output_format='xml'\nvifscript='old'\n";
	struct xl_conf conf;

	assert_int_equal(xl_conf_parse(&conf, "xl.conf", text, strlen(text), &reporter), 0);
	assert_int_equal(warnings, 2);
	assert_int_equal(conf.autoballoon, AUTOBALLOON_OFF);
	assert_false(conf.claim_mode);
	assert_string_equal(conf.vif_script, "old");
	assert_int_equal(config_parse(&c, "f", HEAD "vif=['','bridge=x']", strlen(HEAD "vif=['','bridge=x']"), NULL, &conf,
				      &reporter), 0);
	assert_string_equal(c.vifs[0].bridge, "br7");
	assert_string_equal(c.vifs[1].bridge, "x");
	assert_int_equal(c.max_grant_frames, 9);
	assert_int_equal(c.claim, TRI_OFF);
	xl_conf_free(&conf);
}

/* --- lists of CPUs ------------------------------------------------------------------------ */

static const int nodes[] = { 0, 0, 1, 1, -1, 1 };
static const struct cpu_topology topology = { 6, 2, nodes };

static void cpus_are(const char *text, uint64_t want)
{
	struct cpumap map;
	const char *why;

	assert_int_equal(cpus_parse(&map, text, &topology, &why), 0);
	assert_int_equal(map.word[0], want);
}

static void lists_of_cpus_apply_from_left_to_right(void **state)
{
	struct cpumap map;
	const char *why;

	cpus_are("0-2,^1", 5);
	cpus_are("^1,0-2", 7);
	cpus_are("all", 0x3f);
	cpus_are("all,^0", 0x3e);
	cpus_are("nodes:1", 0x2c);
	cpus_are("node:0-1,^node:0,1", 0x2e);
	cpus_are("none", 0);
	cpus_are("", 0);
	for (const char *const *bad = (const char *const[]){ "^all", "3-1", "x", "1-", "node:x", "1 2x", "^", "0x1", NULL }; *bad; bad++)
		assert_int_equal(cpus_parse(&map, *bad, &topology, &why), -22);
}

static void maps_are_written_as_lists(void **state)
{
	struct cpumap map = { { 0x2d } };
	char buf[64], small[4];

	assert_string_equal(cpus_format(&map, 6, buf, sizeof(buf)), "0,2-3,5");
	assert_string_equal(cpus_format(&map, 1, buf, sizeof(buf)), "all");
	memset(&map, 0, sizeof(map));
	assert_string_equal(cpus_format(&map, 6, buf, sizeof(buf)), "none");
	map.word[0] = 0x15;
	cpus_format(&map, 6, small, sizeof(small));
	assert_int_equal(strlen(small), 3);
}

/* --- disks and interfaces --------------------------------------------------------------------- */

static void names_of_devices_have_their_numbers(void **state)
{
	static const struct {
		const char *name;
		int number;
	} table[] = {
		{ "xvda", 51712 }, { "xvda1", 51713 }, { "xvdb", 51728 }, { "xvdp15", 51967 }, { "xvdq", 1 << 28 | 16 << 8 },
		{ "xvda16", 1 << 28 | 16 }, { "xvdaa", 1 << 28 | 26 << 8 }, { "hda", 768 }, { "hdb1", 833 }, { "hdc", 5632 },
		{ "hdd63", 5759 }, { "sda", 2048 }, { "sdp15", 2303 }, { "d1p2", 51730 }, { "d16", 1 << 28 | 16 << 8 },
		{ "51712", 51712 }, { "0xca00", 51712 }, { "xvd", -1 }, { "hde", -1 }, { "sdq", -1 }, { "sda16", -1 },
		{ "xvda256", -1 }, { "zz", -1 }, { "", -1 }, { "xvda0", -1 }, { "xvdA", -1 }, { "d", -1 }, { "1x", -1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_int_equal(disk_vdev_number(table[i].name, NULL, NULL), table[i].number);
}

static void words_of_block_attach_are_one_specification(void **state)
{
	const char *words[] = { "phy:/dev/x", "xvdb", "r" };
	struct disk_config d;

	assert_int_equal(disk_parse(&d, words, 3, "command line", &reporter), 0);
	assert_string_equal(d.target, "/dev/x");
	assert_string_equal(d.vdev, "xvdb");
	assert_false(d.readwrite);
	disk_free(&d);
	words[2] = "q";
	assert_int_equal(disk_parse(&d, words, 3, "command line", &reporter), -22);
	assert_string_equal(said, "command line: unknown access `q'; accepted are r, ro, w, rw\n");
}

static void rates_are_bytes_per_interval(void **state)
{
	uint64_t bytes;
	uint32_t us;
	const char *why;

	assert_int_equal(vif_parse_rate("1MB/s@20ms", &bytes, &us, &why), 0);
	assert_int_equal(bytes, 20000);
	assert_int_equal(us, 20000);
	assert_int_equal(vif_parse_rate("10Mb/s", &bytes, &us, &why), 0);
	assert_int_equal(bytes, 62500);
	assert_int_equal(vif_parse_rate("0MB/s", &bytes, &us, &why), -22);
	assert_int_equal(vif_parse_rate("10MB/s@0ms", &bytes, &us, &why), -22);
	assert_int_equal(vif_parse_rate("4294967295GB/s@4294s", &bytes, &us, &why), -22);
	assert_int_equal(vif_parse_rate("99999999999B/s", &bytes, &us, &why), -22);
}

static void macs_are_checked(void **state)
{
	const char *spec = "mac=0:16:3E:1:2:ff";
	struct vif_config v;

	assert_int_equal(vif_parse(&v, &spec, 1, "w", &reporter), 0);
	assert_memory_equal(v.mac, "\x00\x16\x3e\x01\x02\xff", 6);
	vif_free(&v);
	for (const char *const *bad = (const char *const[]){ "mac=", "mac=1:2:3:4:5", "mac=1:2:3:4:5:6:7", "mac=g:2:3:4:5:6",
							      "mac= 1:2:3:4:5:6", "mac=1:2:3:4:5:-6", NULL }; *bad; bad++)
		assert_int_equal(vif_parse(&v, bad, 1, "w", &reporter), -22);
	vif_random_mac(&v, (const uint8_t[]){ 0xff, 2, 3 });
	assert_memory_equal(v.mac, "\x00\x16\x3e\x7f\x02\x03", 6);
	assert_true(v.has_mac);
}

static void json_is_that_of_libxl(void **state)
{
	char *json;

	assert_int_equal(parse(HEAD "vcpus=2\ncpus='all,^0'\n", NULL), 0);
	json = config_to_json(&c, &topology, 7, false);
	assert_non_null(strstr(json, "{\n    \"domid\": 7,\n    \"config\": {\n        \"c_info\": {\n            \"type\": \"pv\","));
	assert_non_null(strstr(json, "\"vcpu_hard_affinity\": [\n                [\n                    1,"));
	free(json);
	json = config_to_json(&c, NULL, 7, true);
	assert_non_null(strstr(json, "\"video_memkb\": 0"));
	free(json);
}

static void keys_that_do_nothing_say_so(void **state)
{
	assert_int_equal(parse(HEAD "p9=['tag=a,path=/x,security_model=none']\nslice=5\nseclabel='x'\ne820_host=1\ncpuid='host'\n",
			       NULL), 0);
	assert_int_equal(warnings, 5);
	assert_non_null(strstr(said, "f:3:4: p9: not supported yet; the guest has none"));
	config_free(&c);
	assert_int_equal(parse(HEAD "e820_host=0\n", NULL), 0);
	assert_int_equal(warnings, 5);
}

static void two_interfaces_never_have_one_devid(void **state)
{
	assert_int_equal(parse(HEAD "vif=['devid=1', '']\n", NULL), -22);
	assert_non_null(strstr(said, "vif: 1 is the devid of another interface already"));
}

static void text_of_a_guest_is_made_printable(void **state)
{
	static const char *const pairs[][2] = {
		{ "plain \303\244\342\202\254\360\237\220\247", "plain \303\244\342\202\254\360\237\220\247" },
		{ "\033[2J\r\nxl: all is well\177", "?[2J??xl: all is well?" },
		{ "\302\2331m", "??1m" },				/* CSI in one character */
		{ "\2331m \344 \342\202", "?1m ? ??" },		/* Latin-1, and cut off */
	};

	assert_null(printable(NULL));
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char text[64];

		strcpy(text, pairs[i][0]);
		assert_string_equal(printable(text), pairs[i][1]);
	}
}

static void a_name_stays_in_its_folder(void **state)
{
	char name[] = "../../etc/passwd";

	assert_string_equal(one_component(name), ".._.._etc_passwd");
}

static void sxp_is_that_of_xl(void **state)
{
	/* As Debian's xl printed it for this. */
	static const char want[] = "(domain\n\t(domid -1)\n\t(create_info)\n\t(hvm 0)\n\t(hap <default>)\n\t(oos <default>)\n"
		"\t(ssidref 0)\n\t(name g)\n\t(uuid <unknown>)\n\t(cpupool p)\n\t(xsdata (null))\n\t(platformdata (null))\n"
		"\t(build_info)\n\t(max_vcpus 2)\n\t(max_grant_frames 9)\n\t(max_maptrack_frames -1)\n\t(tsc_mode native)\n"
		"\t(max_memkb 65536)\n\t(target_memkb 65536)\n\t(nomigrate True)\n\t(bootloader pygrub)\n\t(bootloader_args a b)\n"
		"\t(image\n\t\t(linux 0)\n\t\t\t(kernel k)\n\t\t\t(cmdline x y)\n\t\t\t(ramdisk (null))\n"
		"\t\t\t(e820_host True)\n\t\t)\n\t)\n"
		"\t(device\n\t\t(tap\n\t\t\t(backend_domid 0)\n\t\t\t(frontend_domid -1)\n\t\t\t(physpath /a)\n"
		"\t\t\t(phystype 0)\n\t\t\t(virtpath xvda)\n\t\t\t(unpluggable 0)\n\t\t\t(readwrite 1)\n"
		"\t\t\t(is_cdrom 0)\n\t\t)\n\t)\n"
		"\t(device\n\t\t(vif\n\t\t\t(backend_domid 0)\n\t\t\t(frontend_domid -1)\n\t\t\t(devid 0)\n\t\t\t(mtu 0)\n"
		"\t\t\t(model (null))\n\t\t\t(mac 00163e010203)\n\t\t)\n\t)\n)\n";
	char *text;

	assert_int_equal(parse(HEAD "memory=64\nvcpus=2\npool='p'\nmax_grant_frames=9\ntsc_mode='native'\nnomigrate=1\nbootloader='pygrub'\n"
			       "bootloader_args=['a','b']\nextra='x y'\ne820_host=1\ndisk=['/a,raw,xvda,w']\n"
			       "vif=['mac=00:16:3e:01:02:03,bridge=b']\n", NULL), 0);
	text = config_to_sxp(&c);
	assert_string_equal(text, want);
	free(text);
}

/* --- devices in what is kept of a domain ---------------------------------------------------- */

#define DEVICES "disk=['/a,raw,xvda,w','/b,qcow2,xvdb,r,backendtype=qdisk,script=s,discard','backend=3,vdev=hdc,cdrom,target=/c']\n" \
	"vif=['mac=00:16:3e:01:02:03,bridge=b,ip=1.2.3.4,rate=10MB/s,vifname=n,devid=0,mtu=1400','backend=4,devid=1,script=t,type=vif']\n"

/* What it becomes when it is read from @text, which is freed. */
static char *read_back(char *text)
{
	struct guest_config other;
	char *again;

	assert_non_null(text);
	assert_int_equal(config_parse(&other, "f", HEAD, strlen(HEAD), NULL, NULL, &reporter), 0);
	memcpy(other.uuid, c.uuid, 16);
	assert_int_equal(saved_devices(&other, text), 0);
	free(text);
	again = config_to_json(&other, NULL, 5, true);
	config_free(&other);
	return again;
}

static void kept_devices_are_read_as_they_were_written(void **state)
{
	char *text, *again;

	assert_int_equal(parse(HEAD DEVICES, NULL), 0);
	text = config_to_json(&c, NULL, 5, true);
	again = read_back(strdup(text));
	assert_string_equal(text, again);
	free(text);
	free(again);
}

static void attached_devices_are_kept_and_detached_ones_not(void **state)
{
	static const char *const words[] = { "/d,raw,xvdd,w" };
	char *text, *more, *less, *again;
	struct disk_config disk;

	assert_int_equal(parse(HEAD DEVICES, NULL), 0);
	assert_int_equal(disk_parse(&disk, words, 1, "w", &reporter), 0);
	text = config_to_json(&c, NULL, 5, true);
	more = saved_with_disk(text, &disk);
	assert_non_null(strstr(more, "\"/d\""));
	/* The same number again takes the first one's place. */
	again = saved_with_disk(more, &disk);
	assert_string_equal(more, again);
	free(again);
	less = saved_without(more, false, disk_vdev_number("xvdd", NULL, NULL));
	again = read_back(less);
	assert_string_equal(text, again);
	free(again);
	less = saved_without(text, true, 0);
	assert_null(strstr(less, "00:16:3e:01:02:03"));
	assert_non_null(strstr(less, "\"t\""));
	free(less);
	less = saved_with_vif(text, &c.vifs[1]);
	again = read_back(less);
	assert_string_equal(text, again);
	free(again);
	assert_null(saved_without("[]", true, 0));
	assert_null(saved_without(NULL, true, 0));
	disk_free(&disk);
	free(text);
	free(more);
}

/* Another toolstack's, or one that is damaged: nothing is read beyond it, and what is no device is left out. */
static void kept_text_that_is_odd_does_no_harm(void **state)
{
	assert_int_equal(parse(HEAD, NULL), 0);
	assert_int_equal(saved_devices(&c, "{\"disks\":["), -1);
	assert_int_equal(saved_devices(&c, "{\"disks\":[1,{},{\"vdev\":\"none\"},{\"vdev\":\"xvda\",\"format\":7}],\"nics\":{}}"), 0);
	assert_int_equal(c.nr_disks, 1);
	assert_int_equal(c.nr_vifs, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(config_has_its_defaults), CASE(config_fills_what_a_pv_guest_needs), CASE(command_line_comes_after_the_file),
		CASE(all_mistakes_are_reported_at_once), CASE(statements_after_a_mistake_are_read), CASE(lists_nest_to_a_bound),
		CASE(text_need_not_end_with_a_zero), CASE(escapes_are_those_of_c), CASE(unsupported_keys_are_named_once),
		CASE(xl_conf_gives_defaults), CASE(lists_of_cpus_apply_from_left_to_right), CASE(maps_are_written_as_lists),
		CASE(names_of_devices_have_their_numbers), CASE(words_of_block_attach_are_one_specification),
		CASE(rates_are_bytes_per_interval), CASE(macs_are_checked), CASE(json_is_that_of_libxl),
		CASE(keys_that_do_nothing_say_so), CASE(sxp_is_that_of_xl), CASE(kept_devices_are_read_as_they_were_written),
		CASE(attached_devices_are_kept_and_detached_ones_not), CASE(kept_text_that_is_odd_does_no_harm),
		CASE(two_interfaces_never_have_one_devid), CASE(text_of_a_guest_is_made_printable), CASE(a_name_stays_in_its_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
