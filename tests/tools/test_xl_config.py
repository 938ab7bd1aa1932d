#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What our xl makes of configurations is what Debian's xl makes of them: `xl create -n` of both, as JSON.

Debian's xl runs under fake_xenctrl.so, which shows it a machine with four CPUs; ours needs no Xen for a dry run. Each
text below is put behind a name, a kernel and a UUID. What Debian's xl accepts is accepted, with the same result; what it
refuses is refused with one line that names file, line, column and key.
"""
import json
import os
import re
import subprocess
import tempfile

from xenstore import DEBIAN, TOOLS, TOP, check, run, test

HEAD = 'name = "a"\nkernel = "k"\nuuid = "12345678-1234-1234-1234-123456789abc"\nvcpus = 2\n'

SAME = """memory=64|memory="64"|memory=0x40|memory=010|maxmem=30|maxmem=40;memory=20|memory = 64 # x|memory=64;;maxvcpus=3;
    vcpus=3|vcpus=2;maxvcpus=4|extra="a #b"|extra='a\\'b'|extra="a\\\\b"|extra="a\\tb\\nc"|extra=5|extra=""|cmdline="c"
    root="/dev/x ro";extra="y"|root="r"|cmdline="c";root="r"|extra="a";extra+="b"|name="b"|foo="x"|a.b=1|a=[1,[2,3],"x"]
    ramdisk="/r"|bootloader="pygrub"|bootloader="b";bootloader_args=["a","b"]|bootloader_args="a b c"
    cpus="2"|cpus="0-3,^1"|cpus=["2","0-3,^2"]|cpus=[0,1]|cpus=2|cpus="0-9,^4-9"|cpus="^1,0-3"|cpus=["1"]|cpus_soft="1"
    cpus=["1","2","3","0"]|cpu_weight=512|cap=50|cap=0|cpu_weight=512;cap=25|pool="Pool-1"|period=1000;slice=100;latency=3
    extratime=1|on_crash="preserve";on_reboot="rename-restart";on_poweroff="coredump-restart"|on_watchdog="soft-reset"
    on_soft_reset="destroy"|type="pv"|type="pvh"|type="hvm"|builder="generic"|builder="hvm"|tsc_mode="native"|tsc_mode=2
    localtime=1|localtime=0|rtc_timeoffset=5|driver_domain=1|driver_domain=0|nomigrate=1|e820_host=1|max_grant_frames=16
    max_grant_frames=0|max_grant_version=2|max_maptrack_frames=5|max_event_channels=100|max_event_channels=0|seclabel="x"
    init_seclabel="x"|seclabel="x";init_seclabel="y"|ioports=["2f8-2ff","3c0"]|iomem=["a0,2","b0,1@c0"]|irqs=[5,"6"]
    xend_suspend_evtchn_compat=1|channel=["name=a,connection=pty","connection=socket,path=/x,backend=q"]
    p9=["tag=a,path=/x,security_model=none,backend=z"]
    disk=["/dev/x,,xvda"]|disk=["/dev/x,raw,xvda,rw"]|disk=["/dev/x,,hdc,cdrom"]|disk=["/dev/x,,hdc,,cdrom"]
    disk=[",,hdc,cdrom"]|disk=[",hdc:cdrom,r"]|disk=["format=raw, vdev=xvda, access=ro, target=/a,b:c "]
    disk=["raw:/x,hda,w"]|disk=["phy:/dev/x,xvda,w"]|disk=["file:/x,xvda1,w"]|disk=["tap:aio:/x,xvda,w"]
    disk=["tap2:qcow2:/x,xvda,w"]|disk=["iscsi:foo,xvda,w"]|disk=["drbd:foo,xvda,w"]|disk=["nbd:f,xvda,w"]
    disk=["/x,qcow2,xvda,r"]|disk=["/x,qcow,xvda"]|disk=["/x,vhd,xvda"]|disk=["/x,qed,xvda"]|disk=["/x,raw,xvda,w,backend=d"]
    disk=["/x,raw,xvda,w,backendtype=phy"]|disk=["/x,raw,xvda,w,backendtype=tap"]|disk=["/x,raw,xvda,w,backendtype=qdisk"]
    disk=["/x,raw,xvda,w,backendtype=standalone"]|disk=["/x,raw,xvda,w,script=a"]|disk=["/x,raw,xvda,w,direct-io-safe"]
    disk=["/x,raw,xvda,w,discard"]|disk=["/x,raw,xvda,w,no-discard"]|disk=["/x,raw,xvda,w,specification=virtio"]
    disk=["/x,raw,xvda,w,colo,colo-host=h,colo-port=5,colo-export=e,active-disk=a,hidden-disk=h"]
    disk=["/x,raw,xvda,w,devtype=cdrom"]|disk=["/x,raw,xvda,w,devtype=disk"]|disk=["/x,raw,xvda:cdrom,r"]
    disk=["/x,raw,xvda:disk,r"]|disk=["x y,raw,xvda"]|disk=["access=r,vdev=xvda,/x"]|disk=["/x,raw,d1p2"]
    disk=["/x,raw,51712"]|disk=["/x,raw,0xca00"]|disk=["/x,raw,xvdaa"]|disk=["backendtype=phy,vdev=xvda,/x"]
    disk=["ioemu:/x,xvda,w"]|disk=["phy:/x,ioemu:hda,w"]|disk=["vhd:/x,hda,w"]|disk=["tapdisk:/x,hda,w"]
    disk=["/x:y,raw,hda"]|disk=["/x,,xvda,,"]|disk=["/x,raw,xvda,w,backendtype=phy,backendtype=phy"]
    disk=[];disk+=["a,raw,xvda"];disk+=["b,raw,xvdb"]|disk=["a,raw,xvda",]|disk="a,raw,xvda"
    vif=[""]|vif=["mac=00:16:3E:01:02:03"]|vif=["mac=0:1:2:3:4:5"]|vif=["mac=00-16-3e-01-02-03"]|vif=["bridge=b, ip=1.2.3.4"]
    vif=["ip=1.2.3.4 10.0.0.1"]|vif=["gatewaydev=e"]|vif=["netdev=e"]|vif=["type=ioemu"]|vif=["type=vif,model=e1000"]
    vif=["vifname=v,script=/a,backend=dom"]|vif=["rate=10Mb/s"]|vif=["rate=250KB/s"]|vif=["rate=1MB/s@20ms"]
    vif=["rate=1GB/s@1s"]|vif=["rate=1Gb/s@10us"]|vif=["rate=100B/s"]|vif=["rate=100b/s"]|vif=["rate=10MB/s@5000us"]
    vif=["rate=10MB/s@5"]|vif=["devid=5,mtu=1400"]|vif=["trusted"]|vif=["untrusted"]|vif=["foo=1"]|vif=["foo"]
    vif=["bridge=a","","mac=00:16:3e:01:02:03"]|vif=["bridge="]|vif=["bridge=b,"]
    vnclisten="x"|pvshim=1|boot="c"|serial="pty"|vif2=["x"]|device_model="x"
"""

# Keys of features that are not there yet: accepted, and named.
ACCEPTED = """acpi=1|altp2m="external"|apic=0|device_model_args=["x"]|dtdev=["x"]|gic_version="v2"|hpet=1|hap=1|nestedhvm=1|pae=1|keymap="de"
    mca_caps=["lmce"]|msr_relaxed=1|oos=1|pci=["01:00.0,permissive=1"]|pvcalls=["backend=0"]|rdm="strategy=host"|sdl=1
    shadow_memory=8|stubdomain_memory=5|tee="optee"|usbctrl=["type=pv"]|usbdev=["hostbus=1,hostaddr=2"]|vfb=["type=vnc"]
    viridian=1|vkb=["backend-type=linux"]|vmtrace_buf_kb=64|vnc=1|vpmu=1|vsnd=[["card"]]|vtpm=["backend=0"]|spice=1
    vnuma=[["pnode=0","size=32","vcpus=0-1","vdistances=10"]]|cpuid="host,tm=0"|passthrough="enabled"|xauthority="x"
"""

# Refused by both. The place is that of the value, or of where the text can't be understood.
REFUSED = {
    'memory=abc': "5:8: memory", 'memory=-1': "5:8: memory", 'Foo=1': "5:1", '"x"=3': "5:1", '=': "5:1",
    'a=[,]': "5:4: a", 'a=[1,,2]': "5:6: a", 'a=[1];a+=6': "5:10: a", 'a+=5;a+=[6]': "5:9: a", 'memory=6_4': "5:9: memory",
    'extra="x': "5:7: extra", 'extra="\\q"': "5:8: extra", 'vif=["a" "b"]': "5:10: vif", 'memory=64 vcpus=3': "5:11: memory",
    'vcpus=5;maxvcpus=4': "5:18: maxvcpus", 'cpus="x"': "5:6: cpus", 'cpus="3-1"': "5:6: cpus", 'cpus="^all"': "5:6: cpus",
    'cpus="0x1"': "5:6: cpus", 'cpus="-1"': "5:6: cpus", 'uuid="zz"': "5:6: uuid", 'on_crash="zz"': "5:10: on_crash",
    'type="zz"': "5:6: type", 'tsc_mode="zz"': "5:10: tsc_mode", 'tsc_mode=9': "5:10: tsc_mode",
    'ioports=["zz"]': "5:10: ioports", 'iomem=["zz"]': "5:8: iomem", 'irqs=["x"]': "5:7: irqs",
    'firmware="pvgrub64"': "5:10: firmware", 'passthrough="zz"': "5:13: passthrough", 'pci=["zz"]': "5:6: pci",
    'channel=["name=a"]': "5:10: channel", 'p9=["tag=a"]': "5:5: p9", 'p9=["a=1"]': "5:5: p9",
    'disk=["/x,zz,xvda"]': "5:7: disk", 'disk=["/x"]': "5:7: disk", 'disk=["/x,raw,xvda,zz"]': "5:7: disk",
    'disk=["/x,raw,xvda,w,backendtype=zz"]': "5:7: disk", 'disk=["/x,raw,xvda,w,foo"]': "5:7: disk",
    'disk=["/x,raw,xvda,w,foo=1"]': "5:7: disk", 'disk=["/x,raw,xvda,w,vdev=xvdb"]': "5:7: disk",
    'disk=["foo:/x,hda,w"]': "5:7: disk", 'disk=["/x, raw , xvda"]': "5:7: disk", 'disk=["/x,raw,xvda:zz"]': "5:7: disk",
    'vif=["rate=10"]': "5:6: vif", 'vif=["rate=0MB/s"]': "5:6: vif", 'vif=["rate=10mb/s"]': "5:6: vif",
    'vif=["rate=99999999GB/s"]': "5:6: vif", 'vif=["rate=1MB/s@5000s"]': "5:6: vif", 'vif=["devid=x"]': "5:6: vif",
}

# Ours is stricter or kinder here, on purpose.
OURS_REFUSES = {'vif=["mac=zz"]': "5:6: vif", 'vif=["mac=00:16:3e:01:02"]': "5:6: vif", 'disk=["/x,raw,zz"]': "5:7: disk",
                'disk=["/a,,xvda","/b,,xvda"]': "5:18: disk", 'vif=["devid=1",""]': "5:16: vif"}
OURS_ACCEPTS = ['disk=["/x,raw,xvda,w,untrusted"]', 'memory=64\r\nmaxmem=65\r', 'extra="\\x41"', 'cpus="none"']


def words(text):
    return [word.strip() for line in text.split("\n") for word in line.split("|") if word.strip()]


def dry_run(program, text, *extra, env=None):
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", newline="") as file:
        file.write(text)
        file.flush()
        result = subprocess.run([program, "create", "-n", file.name, *extra], capture_output=True, text=True, timeout=120,
                                check=False, env=dict(os.environ, **(env or {})))
    lines = [line.replace(file.name, "F") for line in result.stderr.splitlines()
             if "xl.conf" not in line and "Parsing config" not in line]
    return result.returncode, result.stdout, lines


def ours(text, *extra):
    return dry_run(os.path.join(TOOLS, "xl"), text, *extra)


def debian(text, *extra):
    return dry_run(os.path.join(DEBIAN, "usr/lib/xen-4.17/bin/xl"), text, *extra,
                   env={"LD_PRELOAD": os.path.join(TOOLS, "test/fake_xenctrl.so")})


@test
def configurations_mean_what_debians_xl_takes_them_for():
    wrong = []
    for word in words(SAME):
        theirs, mine = debian(HEAD + word + "\n"), ours(HEAD + word + "\n")
        check(theirs[0] == 0, word, "is refused by Debian's xl:", theirs[2])
        if mine[0] != 0:
            wrong.append("%s is refused: %s" % (word, mine[2]))
        elif json.loads(mine[1]) != json.loads(theirs[1]):
            a, b = theirs[1].split("\n"), mine[1].split("\n")
            wrong.append("%s: Debian's has %s, ours %s" % (word, [x.strip() for x in a if x not in b],
                                                            [x.strip() for x in b if x not in a]))
        elif "hvm" not in word and mine[1] != theirs[1]:
            wrong.append("%s: the layout differs" % word)
    check(not wrong, "\n" + "\n".join(wrong))


@test
def keys_of_what_is_not_there_yet_are_accepted_and_named_once():
    for word in words(ACCEPTED):
        key = re.match(r"\w+", word).group(0)
        check(debian(HEAD + word + "\n")[0] == 0, word, "is refused by Debian's xl")
        code, _, lines = ours(HEAD + word + "\n" + word.replace("=", " =", 1) + "\n")
        check(code == 0, word, "is refused:", lines)
        check(len([line for line in lines if ": %s: not supported yet" % key in line]) == 1, word, "is named:", lines)


@test
def mistakes_are_one_line_with_their_place():
    for word, place in REFUSED.items():
        check(debian(HEAD + word + "\n")[0] != 0, word, "is accepted by Debian's xl")
        code, out, lines = ours(HEAD + word + "\n")
        check(code == 1 and not out, word, "gives status", code)
        check(len(lines) == 1 and lines[0].startswith("xl: F:%s" % place), word, "is reported as", lines)
    for word, place in OURS_REFUSES.items():
        code, out, lines = ours(HEAD + word + "\n")
        check(code == 1 and not out and len(lines) == 1 and lines[0].startswith("xl: F:%s" % place), word, code, lines)
    for word in OURS_ACCEPTS:
        code, _, lines = ours(HEAD + word + "\n")
        check(code == 0, word, "is refused:", lines)


@test
def words_of_the_command_line_override_the_file():
    for extra in (["memory=99"], ['disk=["/x,,xvda"]', "vcpus=3"], ['extra="x"; cpu_weight=3'], ['disk+=["/y,,xvdb"]']):
        text = HEAD + 'memory=64\nextra="y"\ndisk=["/a,,xvda"]\n'
        check(json.loads(ours(text, *extra)[1]) == json.loads(debian(text, *extra)[1]), extra)
    _, _, lines = ours(HEAD, 'on_crash="zz"')
    check(lines[0].startswith("xl: command line:1:10: on_crash"), lines)


@test
def statuses_of_a_missing_file_and_name_are_those_of_debians_xl():
    for arguments in (["create", "-n", "/nonexistent"], ["create", "-n"], ["create", "-z"], ["nosuch"], ["pause"], []):
        codes = [subprocess.run([program, *arguments], capture_output=True, timeout=120, check=False, env=env).returncode
                 for program, env in ((os.path.join(TOOLS, "xl"), os.environ),
                                      (os.path.join(DEBIAN, "usr/lib/xen-4.17/bin/xl"),
                                       dict(os.environ, LD_PRELOAD=os.path.join(TOOLS, "test/fake_xenctrl.so"))))]
        check(codes[0] == codes[1], arguments, codes)
    for text in ('kernel="k"\n', 'name="a"\n'):
        check(ours(text)[0] == debian(text)[0] == 1, text)


@test
def every_key_of_the_manual_is_known():
    """The section headings of our xl.cfg(5) are keys, and a key that is none is named with the nearest one."""
    with open(os.path.join(TOP, "dom0-tools/man/xl.cfg.5"), encoding="utf-8") as file:
        keys = set(re.findall(r"^\.BI? \"?([a-z][a-z0-9_]+)=", file.read(), re.M))
    check(len(keys) > 40, "the manual has few keys:", keys)
    for key in sorted(keys):
        _, _, lines = ours(HEAD + key + "=[]\n")
        check(not any("unknown" in line and "did you" not in line for line in lines), key, lines)
    _, _, lines = ours(HEAD + "memroy=3\n")
    check("did you mean memory?" in lines[0], lines)


if __name__ == "__main__":
    run()
